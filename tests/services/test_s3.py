"""The S3 server that tests get: what fencing by conditional writes rests on."""

from __future__ import annotations

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.services.s3 import S3

pytestmark = pytest.mark.slow


def put(s3: S3, path: str, body: bytes, **headers: str) -> int:
    """The status of a PUT, without a client between."""
    request = urllib.request.Request(f"{s3.endpoint}/{path}", body, headers, method="PUT")
    request.add_header("Content-Type", "application/octet-stream")  # not a form
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/s3/aws4_request")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def store(s3: S3, bucket: str) -> Any:
    from obstore.store import S3Store

    return S3Store(bucket, **s3.options)


def test_a_write_that_may_only_create_is_refused_when_there_is_an_object(s3: S3, bucket: str) -> None:
    assert put(s3, f"{bucket}/a", b"1", **{"If-None-Match": "*"}) == 200
    assert put(s3, f"{bucket}/a", b"2", **{"If-None-Match": "*"}) == 412
    import obstore

    assert obstore.get(store(s3, bucket), "a").bytes() == b"1"


def test_of_many_that_may_only_create_one_wins(s3: S3, bucket: str) -> None:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    objects, writers = 20, 8

    def create(number: int) -> bool:
        try:
            obstore.put(store(s3, bucket), f"k{number // writers}", b"%d" % number, mode="create")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(create, range(objects * writers)))
    assert [sum(won[first : first + writers]) for first in range(0, objects * writers, writers)] == [1] * objects


def test_a_write_on_condition_of_a_version_is_refused_when_there_is_another(s3: S3, bucket: str) -> None:
    import obstore
    from obstore.exceptions import PreconditionError

    first = obstore.put(store(s3, bucket), "a", b"1")
    obstore.put(store(s3, bucket), "a", b"2", mode={"e_tag": first["e_tag"]})
    with pytest.raises(PreconditionError):
        obstore.put(store(s3, bucket), "a", b"3", mode={"e_tag": first["e_tag"]})


def test_large_objects_lists_ranges_and_removal(s3: S3, bucket: str) -> None:
    import obstore

    here, large = store(s3, bucket), bytes(range(256)) * 4 * 12_000
    obstore.put(here, "folder/large=1 ä", large)
    obstore.put(here, "folder/small", b"")
    assert obstore.get(here, "folder/large=1 ä").bytes() == large
    assert obstore.get_range(here, "folder/large=1 ä", start=5, end=8).to_bytes() == bytes([5, 6, 7])
    assert sorted(one["path"] for part in obstore.list(here, "folder") for one in part) == [
        "folder/large=1 ä",
        "folder/small",
    ]
    obstore.delete(here, "folder/small")
    with pytest.raises(FileNotFoundError):
        obstore.get(here, "folder/small")


def test_after_a_crash_it_answers_again_and_is_empty(s3: S3, bucket: str) -> None:
    import obstore

    obstore.put(store(s3, bucket), "a", b"1")
    s3.kill()
    s3.restart()
    s3.create(bucket)
    assert not [one for part in obstore.list(store(s3, bucket)) for one in part]


def test_a_stalled_server_answers_when_it_goes_on(s3: S3, bucket: str) -> None:
    s3.pause()
    with ThreadPoolExecutor(1) as pool:
        status = pool.submit(put, s3, f"{bucket}/a", b"1")
        with pytest.raises(TimeoutError):
            status.result(0.3)
        s3.resume()
        assert status.result(30) == 200
