//! Calls of WAFv2.

use super::calls;
use crate::aws::parameters::{int, text, word};

calls! {
    "wafv2" Wafv2 {
        ListWebACLs list_web_acls {
            Scope set_scope word, NextMarker set_next_marker text, Limit set_limit int,
        }
        GetWebACL get_web_acl { Name set_name text, Scope set_scope word, Id set_id text, ARN set_arn text }
        ListResourcesForWebACL list_resources_for_web_acl {
            WebACLArn set_web_acl_arn text, ResourceType set_resource_type word,
        }
        GetLoggingConfiguration get_logging_configuration {
            ResourceArn set_resource_arn text, LogType set_log_type word, LogScope set_log_scope word,
        }
        ListLoggingConfigurations list_logging_configurations {
            Scope set_scope word, NextMarker set_next_marker text, Limit set_limit int,
            LogScope set_log_scope word,
        }
        GetIPSet get_ip_set { Name set_name text, Scope set_scope word, Id set_id text }
        GetRuleGroup get_rule_group {
            Name set_name text, Scope set_scope word, Id set_id text, ARN set_arn text,
        }
        GetRegexPatternSet get_regex_pattern_set { Name set_name text, Scope set_scope word, Id set_id text }
        DescribeManagedRuleGroup describe_managed_rule_group {
            VendorName set_vendor_name text, Name set_name text, Scope set_scope word,
            VersionName set_version_name text,
        }
    }
}
