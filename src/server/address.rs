//! Listen addresses as Go programs take them: an empty host is every interface.

use std::fmt;
use std::str::FromStr;

/// A host, perhaps empty, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

impl ListenAddress {
    /// An empty host listens on every interface; port 0 lets the system choose.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Hosts to try, in order: both stacks where there are two, else IPv4 alone.
    pub(super) fn candidates(&self) -> Vec<(String, u16)> {
        if self.host.is_empty() {
            return vec![("::".to_owned(), self.port), ("0.0.0.0".to_owned(), self.port)];
        }
        vec![(self.host.clone(), self.port)]
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected HOST:PORT or :PORT, found {text:?}");
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        Ok(Self::new(host.trim_matches(['[', ']']), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_addresses() {
        for (text, host, port) in [(":9090", "", 9090), ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:0", "::1", 0)] {
            assert_eq!(text.parse(), Ok(ListenAddress::new(host, port)));
        }
        assert!("9090".parse::<ListenAddress>().is_err());
        assert!(":high".parse::<ListenAddress>().is_err());
    }
}
