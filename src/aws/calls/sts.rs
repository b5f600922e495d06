//! Calls of STS.

use super::calls;

calls! {
    "sts" Sts {
        GetCallerIdentity get_caller_identity {}
    }
}
