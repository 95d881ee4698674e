// The OpenTelemetry Collector's OTLP receiver and its reader of pods' log files; what they take is written to standard output, a line of JSON a batch.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

type printer struct {
	component.StartFunc
	component.ShutdownFunc
}

func (printer) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (printer) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	fmt.Println(string(text))
	return err
}

func (printer) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	fmt.Println(string(text))
	return err
}

func printing() exporter.Factory {
	made := func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
		return printer{}, nil
	}
	logs := func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
		return printer{}, nil
	}
	config := func() component.Config { return &struct{}{} }
	return exporter.NewFactory(component.MustNewType("print"), config,
		exporter.WithTraces(made, component.StabilityLevelStable), exporter.WithLogs(logs, component.StabilityLevelStable))
}

func parts() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](filelogreceiver.NewFactory(), otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](printing())
	return otelcol.Factories{Receivers: receivers, Exporters: exporters}, err
}

func main() {
	files := confmap.ResolverSettings{
		ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
		DefaultScheme:     "file",
	}
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo:              component.BuildInfo{Command: "otelcol", Version: "0"},
		Factories:              parts,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: files},
	})
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
