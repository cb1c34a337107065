//! What makes two requests with one idempotency key the same request.
//!
//! SHA-256 over a versioned, length-prefixed list of the clear business fields and the digests of
//! the sealed ones, after defaults. Never of deadlines, correlation ids or times: those differ
//! between honest tries.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::form;
use crate::sealed::Sealed;
use crate::{Amount, GatewayName, Money, OperationId, PaymentId, RailName, WalletId, id_buffer};

const TAG: &[u8] = b"holdfast.fingerprint.v1";

/// The fingerprint of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a payment request.
    pub fn of_payment(
        wallet: WalletId,
        money: Money,
        gateway: Option<&GatewayName>,
        service: Option<&str>,
        description: Option<&Sealed>,
        metadata: Option<&Sealed>,
    ) -> Self {
        Builder::new("payment")
            .text(wallet.encode(&mut id_buffer()))
            .money(money)
            .text(gateway.map_or("", GatewayName::as_str))
            .text(service.unwrap_or_default())
            .sealed(description)
            .sealed(metadata)
            .finish()
    }

    /// Of a refund request; no amount is all that is left.
    pub fn of_refund(payment: PaymentId, amount: Option<Amount>, reason: Option<&Sealed>) -> Self {
        Builder::new("refund")
            .text(payment.encode(&mut id_buffer()))
            .text(&amount.map_or_else(String::new, |amount| amount.to_string()))
            .sealed(reason)
            .finish()
    }

    /// Of the refund of a charge that nobody wants.
    pub fn of_unwanted_charge(attempt: OperationId) -> Self {
        Builder::new("unwanted-charge").text(attempt.encode(&mut id_buffer())).finish()
    }

    /// Of a transfer request.
    pub fn of_transfer(
        from: WalletId,
        to: WalletId,
        money: Money,
        description: Option<&Sealed>,
    ) -> Self {
        Builder::new("transfer")
            .text(from.encode(&mut id_buffer()))
            .text(to.encode(&mut id_buffer()))
            .money(money)
            .sealed(description)
            .finish()
    }

    /// Of a withdrawal request.
    pub fn of_withdrawal(wallet: WalletId, money: Money, rail: &RailName, reference: &str) -> Self {
        Builder::new("withdrawal")
            .text(wallet.encode(&mut id_buffer()))
            .money(money)
            .text(rail.as_str())
            .text(reference)
            .finish()
    }

    /// Of a deposit request.
    pub fn of_deposit(wallet: WalletId, money: Money, rail: &RailName, reference: &str) -> Self {
        Builder::new("deposit")
            .text(wallet.encode(&mut id_buffer()))
            .money(money)
            .text(rail.as_str())
            .text(reference)
            .finish()
    }
}

struct Builder(Sha256);

impl Builder {
    fn new(operation: &str) -> Self {
        Self(Sha256::new()).part(TAG).text(operation)
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.part(text.as_bytes())
    }

    fn money(self, money: Money) -> Self {
        self.text(&money.amount().to_string()).text(money.currency().code())
    }

    fn sealed(self, sealed: Option<&Sealed>) -> Self {
        self.part(sealed.map_or(&[], |sealed| &sealed.digest.0))
    }

    fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        form::from_bytes(deserializer).map(Self)
    }
}
