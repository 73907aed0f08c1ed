//! The table of diagnostic codes: the one place that knows them all.

use super::Severity;

/// A stable code such as `WP0401`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

/// What the table says about a code.
#[derive(Debug, Clone, Copy)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// Its severity unless settings say otherwise.
    pub severity: Severity,
    /// One line: what is wrong.
    pub title: &'static str,
    /// The page of `grammar/codes/`.
    pub page: &'static str,
}

macro_rules! codes {
    ($($name:ident $severity:ident $title:literal;)*) => {
        #[expect(missing_docs, reason = "the table below is the documentation")]
        impl Code { $(pub const $name: Code = Code(stringify!($name));)* }
        /// Every code, in order.
        pub const CODES: &[CodeInfo] = &[$(CodeInfo {
            code: Code::$name, severity: Severity::$severity, title: $title,
            page: include_str!(concat!("../../grammar/codes/", stringify!($name), ".md")),
        },)*];
    };
}

codes! {
    WP0101 Error "YAML syntax";
    WP0102 Error "duplicate key";
    WP0103 Error "unknown key";
    WP0104 Error "wrong type";
    WP0105 Error "missing key";
    WP0106 Error "not exactly one step key";
    WP0107 Error "past a limit";
    WP0201 Error "unknown action";
    WP0202 Error "unknown step in a goto";
    WP0203 Error "duplicate name";
    WP0204 Error "unknown outcome";
    WP0205 Error "unknown datapoint";
    WP0206 Error "unknown journey";
    WP0207 Error "unknown input";
    WP0208 Error "variable named like a root";
    WP0301 Error "unreachable step";
    WP0302 Error "loop with no step that waits";
    WP0303 Warning "outcome not handled";
    WP0304 Error "write action in an investigate step";
    WP0305 Error "journeys that run each other without end";
    WP0306 Warning "outcome or branch that an earlier one always takes";
    WP0401 Error "variable may be unset";
    WP0402 Error "type mismatch";
    WP0403 Error "unknown root or path";
    WP0404 Error "expression syntax";
    WP0405 Error "$user assigned";
    WP0406 Error "missing input";
    WP0407 Warning "unused variable";
    WP0408 Warning "expression that is read as text";
    WP0501 Error "no confirm on a way to an action that needs one";
    WP0502 Error "yes ended before the action";
    WP0503 Error "no identity on a way to an action that needs one";
    WP0504 Error "sent on a yes and not shown";
    WP0505 Warning "write with no way to settle doubt";
    WP0506 Error "value computed from an older one";
    WP0507 Warning "one yes for two actions";
    WP0508 Warning "no owner rule";
    WP0509 Warning "verification on an agent's word";
    WP0510 Error "policy that does not parse";
    WP0511 Error "policy that does not fit the workspace";
    WP0512 Warning "policy that never applies, or reads other than it looks";
    WP0513 Warning "action that no policy permits";
    WP0601 Error "something sensitive is shown";
    WP0602 Warning "something sensitive is sent unredacted";
    WP0603 Warning "branch that tells something sensitive";
    WP0701 Error "template syntax";
    WP0801 Warning "literal secret";
    WP0802 Error "endpoint parameter never resolved";
    WP0803 Error "bad URL or method";
    WP0804 Error "integration type not supported";
    WP0901 Error "unknown condition";
    WP0902 Error "unknown channel";
    WP0903 Error "unknown workflow";
    WP0904 Error "unknown primitive";
    WP0905 Error "unknown placeholder or secret";
    WP0906 Error "parameter of a strategy";
    WP0907 Error "condition fed by its own decision";
    WP0908 Error "conditions that are made of each other";
    WP0909 Error "unknown status of a case";
}

impl Code {
    /// The code as written, `WP0401`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The row of the table.
    #[must_use]
    pub fn info(self) -> Option<&'static CodeInfo> {
        CODES.iter().find(|i| i.code == self)
    }

    /// The code with that spelling, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CODES.iter().map(|i| i.code).find(|c| c.0.eq_ignore_ascii_case(name))
    }

    /// Its severity unless settings say otherwise.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.info().map_or(Severity::Error, |i| i.severity)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
