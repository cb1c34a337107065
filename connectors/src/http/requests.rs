//! What callers send, as it stands on the wire. Nothing is proven here: `fields` does that.
//!
//! Fields are optional so that one that is missing is named like one that is wrong.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use utoipa::ToSchema;

use super::openapi::values;

/// A request to pay: from the wallet of `user_id`, `currency` and `label`, or from `wallet_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({
    "user_id": values::USER_ID, "amount": 10000, "currency": "USD",
    "description": "Payment for services",
})))]
pub(super) struct PaymentRequest {
    /// Whose wallet pays; may be left out when `wallet_id` says which.
    #[schema(value_type = Option<values::UserId>)]
    pub user_id: Option<String>,
    /// Which wallet pays; must agree with `user_id`, `currency` and `label` when both are given.
    #[schema(value_type = Option<values::WalletId>)]
    pub wallet_id: Option<String>,
    /// Which of the user's wallets; `main` unless given.
    #[schema(value_type = Option<values::Label>)]
    pub label: Option<String>,
    #[schema(value_type = values::Amount)]
    pub amount: Option<MinorUnits>,
    #[schema(value_type = values::Currency)]
    pub currency: Option<String>,
    /// Free text for people, 1024 bytes at most. Profile `production` takes none.
    #[schema(max_length = 1024, examples("Payment for services"))]
    pub description: Option<String>,
    /// Which of the caller's services asks, 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64, examples("checkout"))]
    pub service_id: Option<String>,
    /// Which gateway to charge through; the configured one unless given.
    #[schema(value_type = Option<values::GatewayName>)]
    pub gateway: Option<String>,
    /// An object of the caller's own, 16 KiB of JSON at most. Profile `production` takes none.
    #[schema(value_type = Option<Object>, examples(json!({ "order": "1001" })))]
    pub metadata: Option<BTreeMap<String, Value>>,
}

/// A request to open a wallet. Who owns what is its key: no header is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "user_id": values::USER_ID, "currency": "USD", "label": "savings" })))]
pub(super) struct WalletRequest {
    #[schema(value_type = values::UserId)]
    pub user_id: Option<String>,
    #[schema(value_type = values::Currency)]
    pub currency: Option<String>,
    /// Which of the user's wallets in this currency; `main` unless given.
    #[schema(value_type = Option<values::Label>)]
    pub label: Option<String>,
}

/// A record that money arrived. A rail gives each reference once for each wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "amount": 5000, "rail": "sepa", "reference": "E2E-1001" })))]
pub(super) struct DepositRequest {
    #[schema(value_type = values::Amount)]
    pub amount: Option<MinorUnits>,
    /// Required in profile `production`; `manual` unless given.
    #[schema(value_type = Option<values::RailName>)]
    pub rail: Option<String>,
    /// What the rail calls it, 1 to 255 bytes. Required in profile `production`; the id of the
    /// deposit unless given.
    #[schema(min_length = 1, max_length = 255, examples("E2E-1001"))]
    pub reference: Option<String>,
}

/// A record that money left. A rail gives each reference once for each wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "amount": 2500, "rail": "sepa", "reference": "E2E-2001" })))]
pub(super) struct WithdrawalRequest {
    #[schema(value_type = values::Amount)]
    pub amount: Option<MinorUnits>,
    /// Required in profile `production`; `manual` unless given.
    #[schema(value_type = Option<values::RailName>)]
    pub rail: Option<String>,
    /// What the rail calls it, 1 to 255 bytes. Required in profile `production`; the id of the
    /// withdrawal unless given.
    #[schema(min_length = 1, max_length = 255, examples("E2E-2001"))]
    pub reference: Option<String>,
}

/// A request to give money back; it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "amount": 1000, "reason": "One item was missing." })))]
pub(super) struct RefundRequest {
    /// How much; all that is left unless given.
    #[schema(value_type = Option<values::Amount>)]
    pub amount: Option<MinorUnits>,
    /// Why, 1024 bytes at most. Profile `production` takes none.
    #[schema(max_length = 1024, examples("One item was missing."))]
    pub reason: Option<String>,
}

/// A request to move money from wallet to wallet, in the currency of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({
    "from_wallet_id": values::WALLET_ID, "to_wallet_id": values::OTHER_WALLET_ID, "amount": 1500,
    "description": "Put aside",
})))]
pub(super) struct TransferRequest {
    /// Which wallet gives.
    #[schema(value_type = values::WalletId)]
    pub from_wallet_id: Option<String>,
    /// Which wallet gets.
    #[schema(value_type = values::WalletId)]
    pub to_wallet_id: Option<String>,
    #[schema(value_type = values::Amount)]
    pub amount: Option<MinorUnits>,
    /// Free text for people, 1024 bytes at most. Profile `production` takes none.
    #[schema(max_length = 1024, examples("Put aside"))]
    pub description: Option<String>,
}

/// How something ended, as a person found out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({
    "outcome": "failed", "evidence": "Support of the gateway knows of no charge.", "actor": "ada",
})))]
pub(super) struct ResolutionRequest {
    #[schema(value_type = values::ResolvedOutcomeName)]
    pub outcome: Option<String>,
    /// How it is known, 4096 bytes at most. Profile `production` takes none.
    #[schema(
        value_type = String, min_length = 1, max_length = 4096,
        examples("Support of the gateway says so."),
    )]
    pub evidence: Option<String>,
    /// How much the gateway moved, if not what was asked for; what failed has none.
    #[schema(value_type = Option<values::Amount>)]
    pub amount: Option<MinorUnits>,
    /// The gateway's own name of it, 128 bytes at most.
    #[schema(max_length = 128, examples("ch_1"))]
    pub gateway_reference: Option<String>,
    /// Who found out, 1 to 128 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 128, examples("ada"))]
    pub actor: Option<String>,
}

/// Why, as far as somebody wants to say; it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "reason": "The bank asked for it." })))]
pub(super) struct ReasonedRequest {
    /// 1024 bytes at most. Profile `production` takes none.
    #[schema(max_length = 1024, examples("The bank asked for it."))]
    pub reason: Option<String>,
}

/// There is nothing to say; it may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct CancelRequest {}

/// All limits of a wallet: what is left out, or null, has none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "per_payment": 50_000, "per_day": 500_000, "in_flight": 100 })))]
pub(super) struct LimitsRequest {
    /// The most that one payment may take; 0 forbids all.
    #[schema(value_type = Option<values::Bound>)]
    pub per_payment: Option<MinorUnits>,
    /// The most that all payments of a day (UTC) together may take.
    #[schema(value_type = Option<values::Bound>)]
    pub per_day: Option<MinorUnits>,
    /// How many payments may be under way at a time, 2147483647 at most.
    #[schema(value_type = Option<i32>, minimum = 0, examples(100))]
    pub in_flight: Option<MinorUnits>,
}

/// A JSON integer of any size: one too large for 64 bits is as much too large as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MinorUnits(pub i64);

/// From here on every integer is exact as a float, and serde gives integers beyond 64 bits as one.
const FLOATS_ARE_WHOLE: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for MinorUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = MinorUnits;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number of minor units")
            }

            fn visit_i64<E: de::Error>(self, minor: i64) -> Result<MinorUnits, E> {
                Ok(MinorUnits(minor))
            }

            fn visit_u64<E: de::Error>(self, minor: u64) -> Result<MinorUnits, E> {
                Ok(MinorUnits(i64::try_from(minor).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: de::Error>(self, minor: f64) -> Result<MinorUnits, E> {
                if minor >= FLOATS_ARE_WHOLE {
                    Ok(MinorUnits(i64::MAX))
                } else if minor <= -FLOATS_ARE_WHOLE {
                    Ok(MinorUnits(i64::MIN))
                } else {
                    Err(E::invalid_type(de::Unexpected::Float(minor), &self))
                }
            }
        }

        deserializer.deserialize_i64(Visitor)
    }
}
