"""Many jobs at once: a thousand where faults are repeated."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.extractor.conftest import Service, service_of, settings_of


def test_many_jobs_are_queued_listed_and_cancelled(idle: Service, soak: int) -> None:
    many = 1000 if soak else 200
    before = idle.get("/jobs")["counts"]["pending"]
    with ThreadPoolExecutor(8) as threads:
        submitted = set(threads.map(lambda _: idle.submit(), range(many)))
    assert len(submitted) == many
    assert idle.get("/health")["active_jobs"] == before + many
    listed: list[str] = []
    after = ""
    while len(listed) < many:
        page = idle.get(f"/jobs?limit=300{after}")
        listed += [job["job_id"] for job in page["jobs"]]
        after = f"&after={page['next']}"
    assert submitted <= set(listed)
    assert listed == sorted(listed, reverse=True)
    with ThreadPoolExecutor(8) as threads:
        removed = set(threads.map(lambda job_id: idle.request("DELETE", f"/job/{job_id}").status, submitted))
    assert removed == {200}
    assert idle.get("/jobs")["counts"]["pending"] == before


def test_many_jobs_are_worked_on_some_at_once_and_those_cancelled_meanwhile_are_gone(
    videos: Path, tmp_path: Path, soak: int
) -> None:
    many, at_once = 1000 if soak else 60, 3
    with (
        service_of(settings_of(tmp_path, videos, max_concurrent_jobs=at_once), tmp_path) as service,
        ThreadPoolExecutor(4) as threads,
    ):
        submitted = list(threads.map(lambda _: service.submit(count=1), range(many)))
        unwanted = set(submitted[::3])
        removed = threads.map(lambda job_id: service.request("DELETE", f"/job/{job_id}").status, unwanted)
        seen: set[int] = set()
        while service.get("/health")["active_jobs"]:
            seen.add(service.get("/jobs?limit=1")["counts"]["processing"])
        assert set(removed) == {200}
        assert max(seen) == at_once
        page = service.get("/jobs?limit=1000")
        assert {job["job_id"] for job in page["jobs"]} == set(submitted) - unwanted
        assert page["counts"]["completed"] == len(page["jobs"]) == many - len(unwanted)
        assert sum(page["counts"].values()) == len(page["jobs"])
        assert set(service.extraction.frames.jobs()) == set(submitted) - unwanted
