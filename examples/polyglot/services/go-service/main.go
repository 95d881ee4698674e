// The API gateway service: small, stateless, three copies.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type HealthResponse struct {
	Status    string    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
}

type GatewayResponse struct {
	Message string `json:"message"`
	Service string `json:"service"`
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("could not answer: %v", err)
	}
}

func healthHandler(w http.ResponseWriter, _ *http.Request) {
	answer(w, HealthResponse{Status: "healthy", Timestamp: time.Now()})
}

func gatewayHandler(w http.ResponseWriter, _ *http.Request) {
	answer(w, GatewayResponse{
		Message: "Request processed by Go Gateway",
		Service: "go-service",
	})
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/health", healthHandler)
	mux.HandleFunc("/ready", healthHandler)
	mux.HandleFunc("/api/v1/gateway", gatewayHandler)
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	// Kubernetes sends TERM and then waits: finish what is being answered, take nothing new.
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	done := make(chan struct{})
	go func() {
		<-stop.Done()
		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			log.Printf("not all requests ended: %v", err)
		}
		close(done)
	}()

	log.Printf("Go service starting on port %s", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-done
}
