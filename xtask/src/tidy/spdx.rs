//! SPDX licence expressions, held against a list of what is allowed.

/// Whether `expression` can be fulfilled with licences of `allowed` alone: one side of an OR suffices, an AND needs
/// both. A licence with an exception is allowed when the list names both (`A WITH b`). The slash of old manifests is
/// an OR. `None` when the expression does not parse.
pub(super) fn is_allowed(expression: &str, allowed: &[&str]) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut parser = Parser { tokens: spaced.split_whitespace().peekable(), allowed };
    let verdict = parser.or()?;
    parser.tokens.next().is_none().then_some(verdict)
}

struct Parser<'a, I: Iterator<Item = &'a str>> {
    tokens: std::iter::Peekable<I>,
    allowed: &'a [&'a str],
}

impl<'a, I: Iterator<Item = &'a str>> Parser<'a, I> {
    fn or(&mut self) -> Option<bool> {
        let mut verdict = self.and()?;
        while self.tokens.next_if_eq(&"OR").is_some() {
            verdict |= self.and()?;
        }
        Some(verdict)
    }

    fn and(&mut self) -> Option<bool> {
        let mut verdict = self.one()?;
        while self.tokens.next_if_eq(&"AND").is_some() {
            verdict &= self.one()?;
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<bool> {
        match self.tokens.next()? {
            "(" => {
                let verdict = self.or()?;
                self.tokens.next_if_eq(&")").map(|_| verdict)
            }
            ")" | "OR" | "AND" | "WITH" => None,
            licence if self.tokens.next_if_eq(&"WITH").is_some() => {
                let exception = self.tokens.next()?;
                Some(self.allowed.contains(&format!("{licence} WITH {exception}").as_str()))
            }
            licence => Some(self.allowed.contains(&licence)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: Option<bool>) {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }

    #[test]
    fn one_side_of_an_or_suffices() {
        check("MIT", Some(true));
        check("GPL-3.0-only", Some(false));
        check("GPL-3.0-only OR MIT", Some(true));
        check("MIT OR GPL-3.0-only", Some(true));
        check("GPL-2.0-only OR GPL-3.0-only", Some(false));
        check("GPL-3.0-only/MIT", Some(true));
        check("GPL-3.0-only / MIT", Some(true));
    }

    #[test]
    fn an_and_needs_both() {
        check("MIT AND ISC", Some(true));
        check("MIT AND GPL-3.0-only", Some(false));
    }

    #[test]
    fn and_binds_closer_than_or_and_parentheses_closest() {
        check("MIT OR GPL-3.0-only AND Unknown", Some(true));
        check("(MIT OR GPL-3.0-only) AND Unknown", Some(false));
        check("GPL-3.0-only AND MIT OR ISC", Some(true));
        check("(MIT OR X) AND (ISC OR Y)", Some(true));
    }

    #[test]
    fn an_exception_is_allowed_with_its_licence_only() {
        check("Apache-2.0 WITH LLVM-exception", Some(true));
        check("Apache-2.0", Some(false));
        check("MIT WITH LLVM-exception", Some(false));
        check("X OR Apache-2.0 WITH LLVM-exception", Some(true));
    }

    #[test]
    fn what_does_not_parse_is_no_verdict() {
        for broken in ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH", "()"] {
            check(broken, None);
        }
    }
}
