//! Every metric of a process: its name, kind, labels and meaning. docs/metrics.md is this table.
//!
//! Labels have few values, all known beforehand or bounded by the configuration: no user, wallet,
//! payment or raw path ever becomes one. Names without the prefix `holdfast_` are the product's
//! promise and never change; the others may, with a note.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; begins at 0 with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many observations lie below each bound, in seconds.
    Histogram,
}

impl Kind {
    /// The name in documents.
    pub fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Declares the labels together with their names and values.
macro_rules! labels {
    ($($name:ident $text:literal $values:literal;)*) => {
        /// A label of a metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Label {
            $(#[doc = $values] $name,)*
        }

        impl Label {
            /// Every label.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The values that it can have.
            pub fn values(self) -> &'static str {
                match self { $(Self::$name => $values,)* }
            }
        }
    };
}

labels! {
    Gateway "method" "a configured gateway, `none` (failed before one was asked) or `other`";
    Reason "reason" "a code of docs/errors.md, or `unknown`";
    Currency "currency" "ISO 4217 codes of wallets that exist";
    WalletOperation "type" "`opened`, `deposited`, `held`, `posted`, `voided`";
    Verb "method" "`GET`, `POST` or `other`";
    Endpoint "endpoint" "the template of a route, or `none` when no route matched";
    Status "status" "the HTTP status";
    StoreOperation "operation" "`append`, `commit`, `abort`, `restore`, `read`";
    Retried "operation" "`submit`, `inquire`, `refund`, `inquire_refund` (at a gateway), `batch` \
        (a Kafka transaction)";
    Input "input" "`command`, `operation`, `gateway_result`, `transfer_leg`, `timer`, \
        `unreadable`";
    Verdict "verdict" "`accepted`, `replayed`, `refused`";
    GatewayOperation "operation" "`submit`, `inquire`, `refund`, `inquire_refund`, `notify`, \
        `notify_refund`";
    Outcome "outcome" "`succeeded`, `declined`, `not_sent`, `expired_unsent`, `unknown`, \
        `not_found`";
    Shard "shard" "the number of a partition";
    State "state" "`created`, `initializing`, `restoring`, `running`, `rebuilding`, `closed`";
    Topic "topic" "an input topic, without prefix and version";
    Phase "phase" "`begin`, `decide`, `commit`, `confirm`, `store`";
    Follower "follower" "`views`, `gateway`, `metrics`, `transfers`, `dead-letters`";
    Delivery "outcome" "`appended`, `failed`";
    TransferStep "step" "`held`, `credited`, `refused`, `completed`, `failed`";
    Called "gateway" "a configured gateway";
    Breaker "state" "`closed`, `open`, `half_open`";
    Version "version" "of the executable";
    Build "build" "`debug`, `release`";
}

/// Declares the metrics and the table of all of them together.
macro_rules! metrics {
    ($($name:ident $kind:ident $text:literal [$($label:ident)*] $help:literal;)*) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $name,)*
        }

        impl Metric {
            /// Every metric, in the order of the documents.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it is.
            pub fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// Its labels, in their order.
            pub fn labels(self) -> &'static [Label] {
                match self { $(Self::$name => &[$(Label::$label,)*],)* }
            }

            /// What it says, with its unit.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

metrics! {
    PaymentAttempts Counter "payment_attempts_total" [Gateway]
        "Payments that entries of the journal requested.";
    PaymentSuccess Counter "payment_success_total" [Gateway]
        "Payments that were completed.";
    PaymentFailures Counter "payment_failures_total" [Reason]
        "Payments that failed, by the code of the failure.";
    PaymentLatency Histogram "payment_latency_histogram" []
        "Seconds from the entry that requested a payment until its end was read back.";
    PaymentAmount Counter "payment_amount_total" [Currency]
        "Minor units that completed payments took.";
    WalletOperations Counter "wallet_operations_total" [WalletOperation]
        "What was done to wallets.";
    WalletOperationDuration Histogram "wallet_operation_duration" [WalletOperation]
        "Seconds from the decision until its entry was committed and read back.";
    WalletBalance Gauge "wallet_balance_gauge" [Currency]
        "Minor units posted in all wallets together.";
    HttpRequests Counter "http_requests_total" [Verb Endpoint Status]
        "HTTP requests answered.";
    HttpRequestDuration Histogram "http_request_duration" [Verb Endpoint]
        "Seconds from a request to its answer, with what the caller preferred to wait.";
    EventStoreOperations Counter "event_store_operations_total" [StoreOperation]
        "Entries appended, restored, read by followers; Kafka transactions committed and aborted.";
    RetryAttempts Counter "retry_attempts_total" [Retried]
        "Charges sent again, inquiries about charges, batches decided again.";
    Inputs Counter "holdfast_inputs_total" [Input Verdict]
        "Inputs that became entries.";
    Refusals Counter "holdfast_refusals_total" [Reason]
        "Inputs that were refused.";
    Transfers Counter "holdfast_transfers_total" [TransferStep]
        "Steps of transfers: `held`, `completed` and `failed` at senders, the others at receivers.";
    Discrepancies Counter "holdfast_discrepancies_total" []
        "Times that a gateway said what does not fit what the ledger knows: a person should look.";
    GatewayResults Counter "holdfast_gateway_results_total" [GatewayOperation Outcome]
        "What came of operations at gateways.";
    PaymentsOpen Gauge "holdfast_payments_open" []
        "Payments that money is held for and that have not ended.";
    PaymentsUntracked Counter "holdfast_payments_untracked_total" []
        "Payments and refunds beyond those that metrics follow: not in latency, open, in doubt.";
    PaymentsInDoubt Gauge "holdfast_payments_in_doubt" [Currency]
        "Payments of which nobody knows whether the gateway charged.";
    MoneyInDoubt Gauge "holdfast_money_in_doubt" [Currency]
        "Minor units held for payments in doubt.";
    RefundsInDoubt Gauge "holdfast_refunds_in_doubt" [Currency]
        "Refunds of which nobody knows whether the gateway gave the money back.";
    RefundMoneyInDoubt Gauge "holdfast_refund_money_in_doubt" [Currency]
        "Minor units of refunds in doubt.";
    OperationsOutstanding Gauge "holdfast_gateway_operations_outstanding" []
        "Operations asked of gateways and not answered in the journal.";
    CallsUnderWay Gauge "holdfast_gateway_calls_under_way" [Called]
        "Calls to a gateway under way from this process.";
    CallsLimit Gauge "holdfast_gateway_calls_limit" [Called]
        "Calls to it that may be under way.";
    OperationsWaiting Gauge "holdfast_gateway_operations_waiting" [Called]
        "Operations that wait in this process for a place, the breaker or the retry budget.";
    BreakerState Gauge "holdfast_gateway_breaker_state" [Called Breaker]
        "1 for the state that the breaker of a gateway is in, else 0.";
    ShardState Gauge "holdfast_shard_state" [Shard State]
        "1 for the state that the shard is in, else 0.";
    InputLag Gauge "holdfast_input_lag" [Shard Topic]
        "Records of an input topic that are not handled, as of at most 5 seconds ago.";
    Timers Gauge "holdfast_timers" [Shard]
        "Timers that are set.";
    TimersSuspended Gauge "holdfast_timers_suspended" [Shard]
        "1 while no timer fires because the clock jumped.";
    InputsWaiting Gauge "holdfast_inputs_waiting" [Shard]
        "1 while an input waits for the schema registry.";
    Transactions Counter "holdfast_kafka_transactions_total" [Shard]
        "Kafka transactions committed and read back.";
    Entries Counter "holdfast_entries_total" [Shard]
        "Entries in them.";
    Aborts Counter "holdfast_aborts_total" [Shard]
        "Kafka transactions that were aborted; their inputs were decided again.";
    Poisoned Counter "holdfast_poisoned_total" [Shard]
        "Inputs that could not be handled and were set aside in an entry.";
    Rebuilds Counter "holdfast_rebuilds_total" [Shard]
        "Takeovers after a failure.";
    Fences Counter "holdfast_fences_total" [Shard]
        "Times that another owner took the shard over.";
    Restored Counter "holdfast_restored_entries_total" [Shard]
        "Entries folded while restoring.";
    PhaseSeconds Counter "holdfast_kafka_transaction_phase_seconds_total" [Shard Phase]
        "Seconds spent in each phase of Kafka transactions.";
    GovernorWaits Counter "holdfast_governor_waits_total" []
        "Kafka transactions that had to wait for their turn.";
    GovernorWaitSeconds Counter "holdfast_governor_wait_seconds_total" []
        "Seconds that they waited.";
    TailLag Gauge "holdfast_tail_lag" [Shard]
        "Offsets of the journal, markers included, that the tail has not read, as of a second ago.";
    TailConnected Gauge "holdfast_tail_connected" []
        "1 while the broker answers the tail.";
    ViewLag Gauge "holdfast_view_lag" [Shard]
        "The same for the views.";
    LastEntryTime Gauge "holdfast_last_entry_timestamp_seconds" []
        "Unix time of the newest entry read; 0 before the first.";
    FollowerQueue Gauge "holdfast_follower_queue" [Follower]
        "Batches of entries that wait for a follower.";
    FollowerAppends Counter "holdfast_follower_appends_total" [Follower Delivery]
        "Records that the followers of the ledger brought into the log, or failed to.";
    Waiters Gauge "holdfast_waiters" []
        "Requests that wait for the decision about their command.";
    IngressInFlight Gauge "holdfast_ingress_in_flight" []
        "Records on their way to input topics, not acknowledged.";
    ResidentMemory Gauge "process_resident_memory_bytes" []
        "Resident memory of the process.";
    CpuSeconds Counter "process_cpu_seconds_total" []
        "Processor time of the process, user and system.";
    Threads Gauge "process_threads" []
        "Threads of the process.";
    OpenFiles Gauge "process_open_fds" []
        "File descriptors that the process holds.";
    StartTime Gauge "process_start_time_seconds" []
        "Unix time at which the process started.";
    BuildInfo Gauge "holdfast_build_info" [Version Build]
        "Always 1.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_what_they_are() {
        for (at, metric) in Metric::ALL.iter().enumerate() {
            let name = metric.name();
            assert!(Metric::ALL[at + 1..].iter().all(|other| other.name() != name), "{name}");
            let is_counter = metric.kind() == Kind::Counter;
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
            assert!(metric.help().ends_with('.'), "{name}");
        }
    }
}
