"""What locust does to the demo's shop: a prelude, a ramp, a hold and a drain of open-loop users."""

from __future__ import annotations

from locust import HttpUser, LoadTestShape, constant_throughput, task

from tests.e2e.locust_plan import MANY, users


class Customer(HttpUser):
    wait_time = constant_throughput(1)

    @task
    def buy(self) -> None:
        self.client.get("/gateway")


class Phases(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        """Users, and how many may be started per second; None ends the test."""
        many = users(self.get_run_time())
        return None if many is None else (many, MANY)
