"""Small checkpoints, written and verified as the engine does it."""

from __future__ import annotations

from penstock.checkpoint.block import decode, digest, encode, read_block
from penstock.checkpoint.manifest import pack, unpack


def named(value):
    return {block["segment"] for block in value["blocks"]}


def write(store, number, attempt="a", keep=()):
    """Write epoch `number` with a block of its own, and blocks of earlier ones; whether the manifest was created."""
    name = f"{number}-{attempt}"
    block = encode({"epoch": number, "attempt": attempt}, {"data": f"{number} {attempt}".encode() * 300})
    length = sum(map(len, block))
    store.write_segment(name, [b"head", *block])
    reference = {"segment": name, "offset": 4, "length": length, "digest": digest(block)}
    return store.create_manifest(number, pack({"number": number, "blocks": [reference, *keep]}))


def blocks(store, number):
    return unpack(store.read_manifest(number))["blocks"]


def verify(store, value):
    """All that a manifest says is there, and is what it was."""
    for block in value["blocks"]:
        header, arrays = decode(read_block(store, block))
        assert arrays["data"] == f"{header['epoch']} {header['attempt']}".encode() * 300


def verify_all(store):
    """All manifests and savepoints tell the truth; the numbers of the former."""
    for number in store.manifests():
        value = unpack(store.read_manifest(number))
        assert value["number"] == number
        verify(store, value)
    for name, number in store.savepoints().items():
        value = unpack(store.read_savepoint(name))
        assert value["number"] == number
        verify(store, value)
    return store.manifests()
