// The service that the canary and the circuit breaker are shown on. It says which version and which
// pod answered, and it can be told to fail.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const maxFailing = 10 * time.Minute

type service struct {
	version      string
	pod          string
	mlURL        string
	client       http.Client
	failingUntil atomic.Int64 // Unix nanoseconds
}

type whoResponse struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Pod     string `json:"pod"`
}

type failResponse struct {
	Pod     string `json:"pod"`
	Seconds int    `json:"seconds"`
}

type mlResponse struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("could not answer: %v", err)
	}
}

// failing tells whether this pod was told to fail, or this request asks for it: the header x-fail
// names a version, a pod, or "all".
func (s *service) failing(r *http.Request) bool {
	if time.Now().UnixNano() < s.failingUntil.Load() {
		return true
	}
	switch r.Header.Get("x-fail") {
	case "":
		return false
	case "all", s.version, s.pod:
		return true
	}
	return false
}

// who answers GET /api/v1/canary. It fails with 500, which Istio does not retry by itself, so that
// the caller and the outlier detection see every failure.
func (s *service) who(w http.ResponseWriter, r *http.Request) {
	if s.failing(r) {
		answer(w, http.StatusInternalServerError, map[string]string{"error": "told to fail", "pod": s.pod})
		return
	}
	answer(w, http.StatusOK, whoResponse{Service: "my-service", Version: s.version, Pod: s.pod})
}

// fail answers POST /api/v1/canary/fail?seconds=30: the pod that gets it fails from now on for that
// long (0 ends it) while its probes go on succeeding, which is what a circuit breaker is for.
func (s *service) fail(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, map[string]string{"error": "use POST"})
		return
	}
	seconds, err := strconv.Atoi(r.URL.Query().Get("seconds"))
	if err != nil || seconds < 0 || seconds > int(maxFailing/time.Second) {
		answer(w, http.StatusBadRequest, map[string]string{"error": "seconds: want a whole number from 0 to 600"})
		return
	}
	s.failingUntil.Store(time.Now().Add(time.Duration(seconds) * time.Second).UnixNano())
	log.Printf("failing for %d s", seconds)
	answer(w, http.StatusOK, failResponse{Pod: s.pod, Seconds: seconds})
}

// callML answers GET /api/v1/canary/call-ml: what the ML service says to this one. The policy of
// istio/security.yaml does not list this service's identity, so the mesh answers 403 in its place.
func (s *service) callML(w http.ResponseWriter, r *http.Request) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost,
		s.mlURL+"/api/v1/predict", strings.NewReader(`{"data": [1, 2, 3]}`))
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusOK, mlResponse{Status: response.StatusCode, Body: string(body)})
}

func getenv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	pod, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	s := &service{
		version: getenv("VERSION", "v1"),
		pod:     pod,
		mlURL:   getenv("ML_SERVICE_URL", "http://fastapi-service:8000"),
		client:  http.Client{Timeout: 5 * time.Second},
	}

	mux := http.NewServeMux()
	status := func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "healthy"})
	}
	mux.HandleFunc("/health", status)
	mux.HandleFunc("/ready", status)
	mux.HandleFunc("/api/v1/canary", s.who)
	mux.HandleFunc("/api/v1/canary/fail", s.fail)
	mux.HandleFunc("/api/v1/canary/call-ml", s.callML)
	port := getenv("PORT", "8080")
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

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

	log.Printf("my-service %s starting on port %s", s.version, port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-done
}
