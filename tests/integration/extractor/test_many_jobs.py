"""Many jobs at once: a thousand where faults are repeated."""

from concurrent.futures import ThreadPoolExecutor

from tests.integration.extractor.conftest import Service


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
