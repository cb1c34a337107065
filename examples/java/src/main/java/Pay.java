import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Pays from the demo wallet by writing a command to Kafka, then waits for the outcome over HTTP.
 *
 * <p>Arguments: the amount in minor units, the idempotency key, the user. Two runs with one key are
 * one payment. The partitioner is the client's default, which is the right one.
 */
public final class Pay {
    private static final String TENANT = "default";
    private static final String DEMO_USER = "123e4567-e89b-12d3-a456-426614174000";
    private static final String CURRENCY = "USD";
    private static final Duration WAIT = Duration.ofSeconds(60);
    private static final Duration LOOK_AGAIN = Duration.ofMillis(200);

    private static final String BROKERS = setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092");
    private static final String REGISTRY =
            setting("SCHEMA_REGISTRY_URL", "http://127.0.0.1:8085/apis/ccompat/v7");
    private static final String TOPIC =
            setting("HOLDFAST_TOPIC_PREFIX", "payments") + ".commands.v1";
    private static final String API = setting("HOLDFAST_URL", "http://127.0.0.1:8080");

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    public static void main(String[] arguments) throws Exception {
        long amount = arguments.length > 0 ? Long.parseLong(arguments[0]) : 1500;
        String key = arguments.length > 1 ? arguments[1] : UUID.randomUUID().toString();
        String user = arguments.length > 2 ? arguments[2] : DEMO_USER;

        String wallet = walletId(TENANT, user, CURRENCY, "main");
        String payment = paymentId(TENANT, wallet, key);
        GenericRecord command = command(wallet, payment, amount, key);

        RecordMetadata record;
        try (var producer = new KafkaProducer<String, GenericRecord>(properties())) {
            record = producer.send(new ProducerRecord<>(TOPIC, wallet, command)).get();
        }
        String source = "commands/" + record.partition() + "/" + record.offset();
        System.out.println("payment " + payment + ", key " + key + ", written to " + source);

        HttpResponse<String> answer = outcome(payment);
        if (answer.statusCode() != 200) {
            System.err.println("there is no such payment (" + answer.statusCode() + ")."
                    + " What became of the record:\n  holdfast journal --source " + source);
            System.exit(1);
        }
        System.out.println(answer.body());
        String status = status(answer);
        System.out.println(status + ": " + amount + " " + CURRENCY + " (minor units)");
        System.exit(status.equals("completed") ? 0 : 1);
    }

    private static Map<String, Object> properties() {
        return Map.of(
                "bootstrap.servers", BROKERS,
                "acks", "all",
                "key.serializer", StringSerializer.class,
                "value.serializer", AvroKafkaSerializer.class,
                // The serializer speaks the registry's own API, next to the Confluent one.
                "apicurio.registry.url",
                REGISTRY.replaceFirst("/apis/ccompat/.*", "/apis/registry/v2"),
                // The Confluent wire format: the schema id stands in the value, not in a header,
                // and has 32 bits, not 64.
                "apicurio.registry.headers.enabled", false,
                "apicurio.registry.as-confluent", true,
                "apicurio.registry.use-id", "contentId",
                // The newest schema of the topic's subject; registers nothing.
                "apicurio.registry.find-latest", true);
    }

    /** The command as the schema has it: schemas/avro/command.avsc. */
    private static GenericRecord command(String wallet, String payment, long amount, String key)
            throws Exception {
        Schema schema = schema();
        Schema envelope = schema.getField("envelope").schema();
        Schema pay = schema.getField("body").schema().getTypes().get(0);
        return new GenericRecordBuilder(schema)
                .set("envelope", new GenericRecordBuilder(envelope)
                        .set("command_id", UUID.randomUUID().toString()) // of this try
                        .set("tenant", TENANT)
                        .set("idempotency_key", key)
                        .set("correlation_id", "Pay.java-" + key)
                        .set("actor", "Pay.java")
                        .build())
                .set("body", new GenericRecordBuilder(pay)
                        .set("payment_id", payment)
                        .set("wallet_id", wallet)
                        .set("amount", amount)
                        .set("currency", CURRENCY)
                        .build())
                .build();
    }

    /** What the registry has under the topic's subject; a file would do as well. */
    private static Schema schema() throws Exception {
        String url = REGISTRY + "/subjects/" + TOPIC + "-value/versions/latest/schema";
        return new Schema.Parser().parse(get(url).body());
    }

    /** Looks until the payment has ended; the newest answer when it has not in time. */
    private static HttpResponse<String> outcome(String payment) throws Exception {
        Instant deadline = Instant.now().plus(WAIT);
        while (true) {
            HttpResponse<String> answer = get(API + "/api/v1/payments/" + payment);
            String status = status(answer);
            boolean ended = status.equals("completed") || status.equals("failed");
            // 404: not decided yet, or refused: then there is no payment and never will be.
            if (ended || Instant.now().isAfter(deadline)) {
                return answer;
            }
            Thread.sleep(LOOK_AGAIN.toMillis());
        }
    }

    private static HttpResponse<String> get(String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
        return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
    }

    private static String status(HttpResponse<String> answer) {
        Matcher matcher = Pattern.compile("\"status\":\"([a-z_]+)\"").matcher(answer.body());
        return matcher.find() ? matcher.group(1) : "";
    }

    // The recipe of docs/ids.md.

    private static String walletId(String tenant, String user, String currency, String label)
            throws Exception {
        byte[] namespace = bytes(UUID.fromString("20498a90-d434-5719-8a24-251118fa86b7"));
        MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
        sha1.update(namespace);
        sha1.update(parts(tenant, user, currency, label));
        return uuid(Arrays.copyOf(sha1.digest(), 16), 0x50);
    }

    private static String paymentId(String tenant, String wallet, String key) throws Exception {
        MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
        sha256.update(parts("holdfast.id.v1", tenant, "payment", wallet, key));
        int routingHash = Utils.murmur2(wallet.getBytes(StandardCharsets.UTF_8));
        byte[] id = ByteBuffer.allocate(16)
                .put(sha256.digest(), 0, 12)
                .putInt(routingHash)
                .array();
        return uuid(id, 0x80);
    }

    /** Each text in UTF-8 after its length in bytes, 32 bits, big-endian. */
    private static byte[] parts(String... texts) throws Exception {
        var out = new ByteArrayOutputStream();
        for (String text : texts) {
            byte[] part = text.getBytes(StandardCharsets.UTF_8);
            out.write(ByteBuffer.allocate(4).putInt(part.length).array());
            out.write(part);
        }
        return out.toByteArray();
    }

    /** With its version in the upper half of byte 6, and the RFC 9562 variant. */
    private static String uuid(byte[] id, int version) {
        id[6] = (byte) (id[6] & 0x0F | version);
        id[8] = (byte) (id[8] & 0x3F | 0x80);
        ByteBuffer buffer = ByteBuffer.wrap(id);
        return new UUID(buffer.getLong(), buffer.getLong()).toString();
    }

    private static byte[] bytes(UUID uuid) {
        return ByteBuffer.allocate(16)
                .putLong(uuid.getMostSignificantBits())
                .putLong(uuid.getLeastSignificantBits())
                .array();
    }

    private static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isBlank() ? otherwise : value;
    }
}
