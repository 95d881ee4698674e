"""The ML service: predicts the mean of the numbers it is given, and shows a call to a neighbour."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel, Field

GO_SERVICE_URL = os.getenv("GO_SERVICE_URL", "http://go-service:8080")
MODEL_NAME = os.getenv("MODEL_NAME", "mean")

REQUESTS = Counter("ml_requests_total", "Requests answered", ["method", "path", "status"])
SECONDS = Histogram("ml_request_duration_seconds", "Time taken to answer", ["path"])


class PredictionRequest(BaseModel):
    # The guide's service divides by len(data): an empty list was a 500. Now it is a 422.
    data: list[float] = Field(min_length=1)


class PredictionResponse(BaseModel):
    prediction: float
    confidence: float


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # One client for the life of the process keeps its connections to the sidecar open.
    async with httpx.AsyncClient(timeout=5.0) as client:
        app.state.client = client
        yield


app = FastAPI(title="ML Service", lifespan=lifespan)


@app.middleware("http")
async def measure(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    started = time.perf_counter()
    response = await call_next(request)
    # The route's template, not the path that was asked for: a label must not grow with requests.
    route = request.scope.get("route")
    path = getattr(route, "path", "unmatched")
    REQUESTS.labels(request.method, path, response.status_code).inc()
    SECONDS.labels(path).observe(time.perf_counter() - started)
    return response


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}


@app.get("/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.get("/metrics")
async def metrics() -> Response:
    # The guide's pod is annotated prometheus.io/path: /metrics, but its service had no such path.
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/api/v1/model")
async def model() -> dict[str, str]:
    return {"model": MODEL_NAME}


@app.post("/api/v1/predict")
async def predict(request: PredictionRequest) -> PredictionResponse:
    prediction = sum(request.data) / len(request.data)
    return PredictionResponse(prediction=prediction, confidence=0.95)


@app.get("/api/v1/call-go")
async def call_go_service() -> dict[str, object]:
    """Plain HTTP as far as this service knows: the sidecars on both ends make it mTLS."""
    client: httpx.AsyncClient = app.state.client
    try:
        response = await client.get(f"{GO_SERVICE_URL}/health")
        response.raise_for_status()
    except httpx.HTTPError as fault:
        raise HTTPException(502, f"go-service did not answer: {fault}") from fault
    return {"go_service_response": response.json()}
