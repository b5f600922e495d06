//! Calls of Organizations.

use super::calls;
use crate::aws::parameters::{int, text};

calls! {
    "organizations" Organizations {
        ListAccounts list_accounts { NextToken set_next_token text, MaxResults set_max_results int }
    }
}
