//! Records of the client library as the engine's own, and headers the other way.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

use crate::engine::application::{Record, RecordHeader};

/// A record, detached from the client's fetch buffer, which it would pin as a whole. Key and value
/// share one allocation.
pub(super) fn detach(message: &BorrowedMessage<'_>) -> Record {
    Record { headers: headers(message), ..detach_body(message) }
}

/// The same without its headers.
pub(super) fn detach_body(message: &BorrowedMessage<'_>) -> Record {
    let (key, value) = (message.key(), message.payload());
    let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let mut bytes = Vec::with_capacity(length(key) + length(value));
    bytes.extend_from_slice(key.unwrap_or_default());
    bytes.extend_from_slice(value.unwrap_or_default());
    let bytes = Bytes::from(bytes);
    Record {
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: key.map(|key| bytes.slice(..key.len())),
        value: value.map(|value| bytes.slice(bytes.len() - value.len()..)),
        headers: Vec::new(),
    }
}

/// The client library panics on a header whose name is not UTF-8, which any producer can write.
/// Such a record is taken without headers.
pub(super) fn headers(message: &BorrowedMessage<'_>) -> Vec<RecordHeader> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let read = catch_unwind(AssertUnwindSafe(|| {
        let detach = |header: Header<'_, &[u8]>| RecordHeader {
            name: header.key.into(),
            value: header.value.map(Bytes::copy_from_slice),
        };
        headers.iter().map(detach).collect()
    }));
    read.unwrap_or_default()
}

/// Headers as the client library wants them.
pub(super) fn owned_headers(headers: &[RecordHeader]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let owned = OwnedHeaders::new_with_capacity(headers.len());
    Some(headers.iter().fold(owned, |owned, header| {
        owned.insert(Header { key: &header.name, value: header.value.as_deref() })
    }))
}
