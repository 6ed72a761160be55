//! `io.jwt.*`: decoding here, with the verification of tokens that were signed with a secret; the rest in the files below.

mod jwk;
pub(super) mod sign;
pub(super) mod verify;

use ring::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};

use super::base64::decode_url;
use super::encoding::hex_of_bytes;
use super::operands::{string, text_of_bytes, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "io.jwt.decode", arity: 1, call: decode },
    Builtin { name: "io.jwt.verify_hs256", arity: 2, call: verify_hs256 },
    Builtin { name: "io.jwt.verify_hs384", arity: 2, call: verify_hs384 },
    Builtin { name: "io.jwt.verify_hs512", arity: 2, call: verify_hs512 },
];

/// The parts of a token, still encoded.
struct Token<'a> {
    /// Header and payload with the dot between them, which is what is signed.
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// Header, payload and signature, of the innermost token when one is the payload of another. Nothing is verified.
fn decode(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let mut text = string(operands, 0)?.to_owned();
    // Each turn is shorter than the one before by a quarter at least.
    loop {
        context.budget.charge(text.len() as u64)?;
        let token = Token::parse(&text)?;
        let header = token.header_object()?;
        let payload = decoded_text(token.payload)?;
        match header.get(&Value::string("cty")) {
            Some(Value::String(kind)) if &**kind == "JWT" => {
                text = payload.trim_matches(['"', '\'']).to_owned();
                continue;
            }
            None | Some(Value::String(_)) => {}
            Some(_) => return Err(undefined("cty: must be a string")),
        }
        let signature = Value::string(hex_of_bytes(&decoded(token.signature)?));
        return Ok(Value::array(vec![header, json_object(&payload)?, signature]));
    }
}

fn verify_hs256(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    verify(HMAC_SHA256, context, operands)
}

fn verify_hs384(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    verify(HMAC_SHA384, context, operands)
}

fn verify_hs512(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    verify(HMAC_SHA512, context, operands)
}

/// Whether the signature is that of the secret. What the header says about the algorithm does not count.
fn verify(
    algorithm: hmac::Algorithm,
    context: &mut CallContext<'_>,
    operands: &[&Value],
) -> Result<Value, BuiltinError> {
    let (text, secret) = (string(operands, 0)?, string(operands, 1)?);
    context.budget.charge((text.len() + secret.len()) as u64)?;
    let token = Token::parse(text)?;
    let key = hmac::Key::new(algorithm, secret.as_bytes());
    let is_valid = hmac::verify(&key, token.signed.as_bytes(), &decoded(token.signature)?).is_ok();
    Ok(Value::Bool(is_valid))
}

impl<'a> Token<'a> {
    fn parse(text: &'a str) -> Result<Self, BuiltinError> {
        let parts = text.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.'))?;
            Some(Self { signed, header, payload, signature })
        });
        parts.ok_or_else(|| undefined(format!("encoded JWT must have 3 sections, found {}", text.split('.').count())))
    }

    fn header_object(&self) -> Result<Value, BuiltinError> {
        let header = json_object(&decoded_text(self.header)?)?;
        if header.get(&Value::from("enc")).is_some() {
            return Err(undefined("JWT is a JWE object, which is not supported"));
        }
        Ok(header)
    }
}

/// What verification looks at in a header. What is not given is empty.
#[derive(Debug, Default)]
struct Header {
    algorithm: String,
    id: String,
    content: String,
    /// Whether something critical is not known.
    has_unknown: bool,
}

impl Header {
    fn parse(object: &Value) -> Result<Self, BuiltinError> {
        let text = |name: &str| match object.get(&Value::from(name)) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.to_string()),
            Some(_) => Err(undefined(format!("{name}: must be a string"))),
        };
        text("typ")?;
        let is_unknown = |name: &str| {
            !["alg", "kid", "typ", "cty", "crit"].contains(&name) && object.get(&Value::from(name)).is_some()
        };
        let has_unknown = match object.get(&Value::from("crit")) {
            None => false,
            Some(Value::Array(names)) => {
                // What follows something that is no string does not count.
                let mut names = names.iter().map_while(Value::as_str).peekable();
                names.peek().ok_or_else(|| undefined("crit: must be a nonempty list of strings"))?;
                names.any(is_unknown)
            }
            Some(_) => return Err(undefined("crit: must be a list")),
        };
        Ok(Self { algorithm: text("alg")?, id: text("kid")?, content: text("cty")?, has_unknown })
    }

    fn is_valid(&self) -> bool {
        !self.algorithm.is_empty() && !self.has_unknown
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, BuiltinError> {
    decode_url(part)
        .map_err(|place| undefined(format!("JWT had invalid encoding: illegal base64 data at input byte {place}")))
}

fn decoded_text(part: &str) -> Result<String, BuiltinError> {
    Ok(text_of_bytes(decoded(part)?).as_str().unwrap_or_default().to_owned())
}

fn json_object(text: &str) -> Result<Value, BuiltinError> {
    match parse_json(text, NumberMode::AsWritten) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(undefined("decoded JSON type was not an Object")),
        Err(error) => Err(undefined(format!("invalid JSON: {}", error.message))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_three_parts() {
        let check = |text: &str, is_token: bool| assert_eq!(Token::parse(text).is_ok(), is_token, "{text:?}");
        check("a.b.c", true);
        check("..", true);
        check("a.b", false);
        check("a.b.c.d", false);
        check("", false);
    }
}
