"""Pays from a wallet by writing a command to Kafka, then waits for the outcome over HTTP.

    venv/bin/python pay.py --amount 1500 --key order-1

Run it twice with one key: there is one payment. It opens no wallet and makes no deposit; the demo
wallets of `make up` are there already.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import holdfast_ids

DEMO_USER = "123e4567-e89b-12d3-a456-426614174000"
TENANT = "default"
# After these nothing changes any more.
TERMINAL = ("completed", "failed")


def arguments():
    env = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--user", default=DEMO_USER)
    parser.add_argument("--amount", type=int, default=1500, help="minor units: 1500 USD is 15.00")
    parser.add_argument("--currency", default="USD")
    parser.add_argument("--key", default=None, help="the name of this payment; default: a new one")
    parser.add_argument("--wait", type=float, default=60, help="seconds until it gives up")
    parser.add_argument("--brokers", default=env("KAFKA_BOOTSTRAP_SERVERS") or "127.0.0.1:9092")
    parser.add_argument(
        "--registry",
        default=env("SCHEMA_REGISTRY_URL") or "http://127.0.0.1:8085/apis/ccompat/v7",
    )
    parser.add_argument("--topic-prefix", default=env("HOLDFAST_TOPIC_PREFIX") or "payments")
    parser.add_argument("--api", default=env("HOLDFAST_URL") or "http://127.0.0.1:8080")
    return parser.parse_args()


def new_producer(brokers):
    return Producer({
        "bootstrap.servers": brokers,
        # Java's partitioner. The default of librdkafka is CRC32: half of the payments, or more,
        # would come back as `misrouted`.
        "partitioner": "murmur2_random",
        # A retry of the client must not become a second record. (The ledger would see that it is
        # the same payment; this spares it the work.)
        "enable.idempotence": True,
    })


def new_serializer(registry):
    """Writes with the newest schema of the topic's subject, and registers nothing."""
    return AvroSerializer(
        SchemaRegistryClient({"url": registry}),
        conf={"auto.register.schemas": False, "use.latest.version": True},
    )


def pay_command(user, amount, currency, key):
    """The record's key, and the command as the schema has it: schemas/avro/command.avsc."""
    wallet = holdfast_ids.wallet_id(TENANT, user, currency)
    return wallet, {
        "envelope": {
            "command_id": str(uuid.uuid4()),  # of this try; a retry of the payment has another
            "tenant": TENANT,
            "idempotency_key": key,
            "correlation_id": f"pay.py-{key}",
            "actor": "pay.py",
            "deadline": None,
        },
        "body": {
            "payment_id": holdfast_ids.payment_id(TENANT, wallet, key),
            "wallet_id": wallet,
            "amount": amount,
            "currency": currency,
            "gateway": None,
            "service_id": None,
            "description": None,
            "metadata": None,
        },
    }


def send(producer, topic, key, value, **place):
    """Writes one record, and returns when the broker has it: what librdkafka says of it."""
    reports = []
    report = lambda error, message: reports.append((error, message))
    producer.produce(topic, key=key, value=value, on_delivery=report, **place)
    producer.flush()
    error, message = reports[0]
    if error is not None:
        sys.exit(f"not delivered: {error}")
    return message


def outcome(api, payment, seconds):
    """Polls until the payment has ended; the newest answer when it has not within that time."""
    deadline = time.monotonic() + seconds
    while True:
        status, answer = 0, {}
        try:
            with urllib.request.urlopen(f"{api}/api/v1/payments/{payment}", timeout=30) as response:
                status, answer = response.status, json.load(response)
        except urllib.error.HTTPError as error:
            # 404: not decided yet, or refused: then there is no payment and never will be.
            status = error.code
        if answer.get("status") in TERMINAL or time.monotonic() > deadline:
            return status, answer
        time.sleep(0.2)


def main():
    args = arguments()
    key = args.key or str(uuid.uuid4())
    topic = f"{args.topic_prefix}.commands.v1"
    wallet, command = pay_command(args.user, args.amount, args.currency, key)
    payment = command["body"]["payment_id"]

    serialize = new_serializer(args.registry)
    value = serialize(command, SerializationContext(topic, MessageField.VALUE))
    record = send(new_producer(args.brokers), topic, wallet, value)
    source = f"commands/{record.partition()}/{record.offset()}"
    print(f"payment {payment}, key {key}, written to {source}")

    status, answer = outcome(args.api, payment, args.wait)
    if status != 200:
        print(f"there is no such payment ({status}). What became of the record:", file=sys.stderr)
        print(f"  holdfast journal --source {source}", file=sys.stderr)
        sys.exit(1)
    print(json.dumps(answer, indent=2))
    print(f"{answer['status']}: {args.amount} {args.currency} (minor units)")
    sys.exit(0 if answer["status"] == "completed" else 1)


if __name__ == "__main__":
    main()
