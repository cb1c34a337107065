"""The ids of holdfast, by hashes of the standard library alone."""

import hashlib
import struct
import uuid

WALLETS = uuid.uuid5(uuid.NAMESPACE_DNS, "holdfast")  # 20498a90-d434-5719-8a24-251118fa86b7


def parts(*texts):
    """Each text in UTF-8 after its length in bytes, 32 bits, big-endian."""
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)


def murmur2(data):
    """Kafka's murmur2, unsigned: org.apache.kafka.common.utils.Utils.murmur2."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def wallet_id(tenant, user, currency, label="main"):
    name = parts(tenant, user, currency, label)
    digest = bytearray(hashlib.sha1(WALLETS.bytes + name).digest()[:16])
    return str(uuid.UUID(bytes=bytes(digest), version=5))


def derived_id(tenant, operation, parent, key, routing_hash):
    """90 bits of SHA-256, version 8, and the routing hash in the last 32 bits."""
    digest = hashlib.sha256(parts("holdfast.id.v1", tenant, operation, parent, key)).digest()
    bits = bytearray(digest[:12] + struct.pack(">I", routing_hash))
    bits[6] = bits[6] & 0x0F | 0x80  # version 8
    bits[8] = bits[8] & 0x3F | 0x80  # the RFC 9562 variant
    return str(uuid.UUID(bytes=bytes(bits)))


def payment_id(tenant, wallet, key):
    return derived_id(tenant, "payment", wallet, key, murmur2(wallet.encode()))


def deposit_id(tenant, wallet, key):
    return derived_id(tenant, "deposit", wallet, key, murmur2(wallet.encode()))


def withdrawal_id(tenant, wallet, key):
    return derived_id(tenant, "withdrawal", wallet, key, murmur2(wallet.encode()))


def transfer_id(tenant, sending_wallet, key):
    return derived_id(tenant, "transfer", sending_wallet, key, murmur2(sending_wallet.encode()))


def refund_id(tenant, payment, key):
    return derived_id(tenant, "refund", payment, key, int(payment[-8:], 16))


def attempt_id(tenant, payment, number):
    routing_hash = int(payment[-8:], 16)
    return derived_id(tenant, "attempt", payment, str(number), routing_hash)


def unwanted_charge_refund_id(tenant, payment, attempt):
    """The refund that the ledger itself asks for, of a charge that nobody wants."""
    return derived_id(tenant, "unwanted-charge", attempt, "1", int(payment[-8:], 16))


def partition(wallet, partitions):
    """Where records of this wallet go: Java's default partitioner over the wallet id."""
    return (murmur2(wallet.encode()) & 0x7FFFFFFF) % partitions
