//! The floor of evaluation: the same data, looked up by JSON Pointer and compared or put together by hand.

use serde_json::Value as Json;

/// What the condition of an outcome asks: two look-ups and two comparisons.
pub fn condition(response: &Json, variables: &Json) -> bool {
    response.pointer("/status").and_then(Json::as_i64) == Some(200)
        && variables.pointer("/order/status").and_then(Json::as_str) == Some("shipped")
}

/// What a short message says: two look-ups, put between words.
pub fn message(variables: &Json) -> String {
    let text = |pointer| variables.pointer(pointer).and_then(Json::as_str).unwrap_or("");
    format!("Order {} is {}.", text("/order/id"), text("/order/status"))
}
