"""Makes every mistake that a producer can make, once, and says where each record lies.

    venv/bin/python mistakes.py
    holdfast journal --refused

Each becomes one entry of the journal, refused, with a code and with what to change. No money moves.
It registers two schemas of its own, under a subject that nobody else uses.
"""

import json
import struct
import uuid
import zlib

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import holdfast_ids
import pay

OWN_SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "customer", "type": "string"}, {"name": "total", "type": "long"}],
}


class Mistakes:
    def __init__(self, args):
        self.args = args
        self.topic = f"{args.topic_prefix}.commands.v1"
        self.context = SerializationContext(self.topic, MessageField.VALUE)
        self.registry = SchemaRegistryClient({"url": args.registry})
        self.serialize = pay.new_serializer(args.registry)
        self.producer = pay.new_producer(args.brokers)
        metadata = self.producer.list_topics(self.topic, timeout=30)
        self.partitions = len(metadata.topics[self.topic].partitions)

    def command(self, user=None, amount=None, currency=None):
        args = self.args
        amount = args.amount if amount is None else amount
        key = f"mistake-{uuid.uuid4()}"
        return pay.pay_command(user or args.user, amount, currency or args.currency, key)

    def write(self, mistake, key, value, producer=None, **place):
        record = pay.send(producer or self.producer, self.topic, key, value, **place)
        print(f"{mistake}\tcommands/{record.partition()}/{record.offset()}", flush=True)

    def write_command(self, mistake, wallet, command, **how):
        self.write(mistake, wallet, self.serialize(command, self.context), **how)

    def partition(self, wallet):
        return holdfast_ids.partition(wallet, self.partitions)

    def wrong_partitions(self):
        if self.partitions == 1:
            return  # there is no wrong one
        # librdkafka as it comes: the first user whose payments CRC32 sends elsewhere.
        of_user = (self.command(user=f"user-{number}") for number in range(1000))
        elsewhere = lambda wallet: zlib.crc32(wallet.encode()) % self.partitions
        wallet, command = next(
            (wallet, command) for wallet, command in of_user
            if elsewhere(wallet) != self.partition(wallet)
        )
        careless = Producer({"bootstrap.servers": self.args.brokers})
        self.write_command("default partitioner", wallet, command, producer=careless)

        wallet, command = self.command()
        keys = (f"order-{number}" for number in range(1000))
        key = next(key for key in keys if self.partition(key) != self.partition(wallet))
        self.write_command("another key", key, command)

    def unreadable(self):
        wallet, command = self.command()
        own = dict(partition=self.partition(wallet))
        framed = self.serialize(command, self.context)
        self.write("json", wallet, json.dumps(command).encode(), **own)
        self.write("no frame", wallet, framed[5:], **own)
        self.write("no value", wallet, None, **own)
        unknown = struct.pack(">bI", 0, 987654321) + framed[5:]
        self.write("unknown schema id", wallet, unknown, **own)
        # Apicurio's serializer with its ids in the value, and not as Confluent has them.
        self.write("64-bit schema id", wallet, struct.pack(">bQ", 0, 1) + framed[5:], **own)

    def own_schemas(self):
        wallet, command = self.command()
        order = {"customer": "c-1", "total": 1500}
        self.write("another schema", wallet, self.serialize_as(OWN_SCHEMA, order))
        latest = self.registry.get_latest_version(f"{self.topic}-value")
        schema = json.loads(latest.schema.schema_str)
        body = next(field for field in schema["fields"] if field["name"] == "body")
        amount = next(f for f in body["type"][0]["fields"] if f["name"] == "amount")
        amount["type"] = "double"
        command["body"]["amount"] = 15.5
        self.write("floating-point amount", wallet, self.serialize_as(schema, command))

    def serialize_as(self, schema, value):
        conf = {
            "auto.register.schemas": True,
            # Not the subject of the topic, where the registry refuses both.
            "subject.name.strategy": lambda context, name: f"mistakes-{name}",
        }
        serializer = AvroSerializer(self.registry, json.dumps(schema), conf=conf)
        return serializer(value, self.context)

    def wrong_fields(self):
        wallet, command = self.command()
        command["body"]["payment_id"] = holdfast_ids.payment_id(pay.TENANT, wallet, "another")
        self.write_command("payment id of another key", wallet, command)
        wallet, command = self.command()
        command["body"]["payment_id"] = command["body"]["payment_id"].upper()
        self.write_command("payment id in upper case", wallet, command)
        wallet, command = self.command()
        command["envelope"]["idempotency_key"] = ""
        self.write_command("no idempotency key", wallet, command)
        self.write_command("negative amount", *self.command(amount=-1500))
        self.write_command("amount too large", *self.command(amount=2**53))
        wallet, command = self.command()
        command["body"]["currency"] = "usd"
        self.write_command("currency in lower case", wallet, command)
        wallet, command = self.command()
        command["body"]["currency"] = "JPY"
        self.write_command("currency of another wallet", wallet, command)
        wallet, command = self.command()
        command["body"]["gateway"] = "nowhere"
        self.write_command("unknown gateway", wallet, command)
        self.write_command("unknown wallet", *self.command(user="nobody"))


def main():
    mistakes = Mistakes(pay.arguments())
    mistakes.wrong_partitions()
    mistakes.unreadable()
    mistakes.own_schemas()
    mistakes.wrong_fields()


if __name__ == "__main__":
    main()
