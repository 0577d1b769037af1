"""Addresses, who is trusted, what is never shown, and what errors mean."""

from __future__ import annotations

import psycopg
import pytest

from penstock.connectors._postgres_connection import Address, is_local, is_lost, refused, with_tls
from penstock.core.errors import SinkError, SinkLost, StartError
from penstock.core.spec import Secret

CANARY = "Zq8-canary"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("PGHOST", "PGHOSTADDR", "PGSSLMODE", "PGSERVICE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)


def test_an_address_does_not_show_its_password():
    address = Address.of(f"postgresql://me:{CANARY}@localhost:5433/shop")
    assert str(address) == repr(address) == "localhost:5433/shop"
    assert address.parameters["password"] == CANARY
    assert address.scrubbed(f"no {CANARY}\n  there") == "no *** there"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{CANARY}%zz@localhost/shop",
        f"{CANARY}",
        f"host=localhost password='{CANARY}",
        f"mysql://{CANARY}",
    ],
)
def test_a_url_that_cannot_be_understood_is_not_shown(url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", url)
    for given in (url, Secret("DATABASE_URL")):
        with pytest.raises(StartError, match="is none of PostgreSQL") as refusal:
            Address.of(given)
        assert CANARY not in str(refusal.value)
        assert refusal.value.__suppress_context__


def test_a_secret_is_read_when_the_pipeline_starts(monkeypatch):
    with pytest.raises(StartError, match='no secret "DATABASE_URL"'):
        Address.of(Secret("DATABASE_URL"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/shop")
    assert str(Address.of(Secret("DATABASE_URL"))) == "localhost/shop"


# -- who the server is ---------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "", "/run/postgresql", "@socket"])
def test_this_machine_needs_no_certificate(host):
    assert is_local(host)
    assert with_tls({"host": host}, {}) == {"host": host}


@pytest.mark.parametrize(
    ("parameters", "environment"),
    [
        ({"host": "db.example"}, {}),
        ({"host": "localhost,db.example"}, {}),
        ({"host": "localhost", "hostaddr": "10.0.0.1"}, {}),
        ({"dbname": "shop"}, {"PGHOST": "db.example"}),
        ({"dbname": "shop"}, {"PGHOSTADDR": "10.0.0.1"}),
        ({"host": "localhost.example"}, {}),
    ],
)
def test_another_machine_is_verified(parameters, environment):
    found = with_tls(parameters, environment)
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "system")
    for mode in ("disable", "allow", "prefer", "require"):
        with pytest.raises(StartError, match=f"sslmode={mode}"):
            with_tls({**parameters, "sslmode": mode}, environment)


def test_an_authority_of_ones_own_and_what_the_operator_says():
    own = {"host": "db.example", "sslmode": "verify-ca", "sslrootcert": "ca.pem"}
    assert with_tls(own, {}) == own
    assert "sslrootcert" not in with_tls({"host": "db.example"}, {"PGSSLROOTCERT": "ca.pem"})
    assert with_tls({"host": "db.example"}, {"PGSSLMODE": "disable"}) == {"host": "db.example"}


# -- errors --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "lost"),
    [
        (psycopg.OperationalError("server closed the connection"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CrashShutdown(), True),
        (psycopg.errors.SerializationFailure(), True),
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.QueryCanceled(), True),
        (psycopg.errors.ReadOnlySqlTransaction(), True),
        (psycopg.errors.IdleInTransactionSessionTimeout(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.TransactionResolutionUnknown(), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.NotNullViolation(), False),
        (psycopg.errors.NumericValueOutOfRange(), False),
        (psycopg.errors.UndefinedTable(), False),
        (psycopg.errors.RaiseException(), False),
        (psycopg.ProgrammingError("not ours"), False),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_is_asked_again_and_what_is_not(failure, lost):
    assert is_lost(failure) is lost
    address = Address.of(f"postgresql://me:{CANARY}@localhost/shop")
    found = refused(failure, address, "publish epoch 1 to public.totals", show_values=True)
    assert type(found) is (SinkLost if lost else SinkError)
    assert "publish epoch 1 to public.totals" in str(found)


def test_values_of_masked_rows_are_not_quoted():
    failure = psycopg.errors.InvalidTextRepresentation(f'invalid input syntax for type uuid: "{CANARY}"')
    address = Address.of("postgresql://localhost/shop")
    assert CANARY in str(refused(failure, address, "publish", show_values=True))
    shown = str(refused(failure, address, "publish", show_values=False))
    assert "InvalidTextRepresentation" in shown
    assert CANARY not in shown
