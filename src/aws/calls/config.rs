//! Calls of AWS Config.

use aws_sdk_config::types::DescribeConfigRulesFilters;
use serde_json::Value;

use super::calls;
use crate::aws::parameters::{Read, int, members, text, texts, word, words};

calls! {
    "config" Config {
        DescribeConfigRules describe_config_rules {
            ConfigRuleNames set_config_rule_names texts, NextToken set_next_token text,
            Filters set_filters rule_filters,
        }
        DescribeConfigRuleEvaluationStatus describe_config_rule_evaluation_status {
            ConfigRuleNames set_config_rule_names texts, NextToken set_next_token text, Limit set_limit int,
        }
        DescribeComplianceByConfigRule describe_compliance_by_config_rule {
            ConfigRuleNames set_config_rule_names texts, ComplianceTypes set_compliance_types words,
            NextToken set_next_token text,
        }
        GetComplianceDetailsByConfigRule get_compliance_details_by_config_rule {
            ConfigRuleName set_config_rule_name text, ComplianceTypes set_compliance_types words,
            Limit set_limit int, NextToken set_next_token text,
        }
        DescribeConfigurationRecorders describe_configuration_recorders {
            ConfigurationRecorderNames set_configuration_recorder_names texts,
            ServicePrincipal set_service_principal text, Arn set_arn text,
        }
        DescribeConfigurationRecorderStatus describe_configuration_recorder_status {
            ConfigurationRecorderNames set_configuration_recorder_names texts,
            ServicePrincipal set_service_principal text, Arn set_arn text,
        }
        DescribeDeliveryChannels describe_delivery_channels {
            DeliveryChannelNames set_delivery_channel_names texts,
        }
        DescribeConformancePacks describe_conformance_packs {
            ConformancePackNames set_conformance_pack_names texts, Limit set_limit int,
            NextToken set_next_token text,
        }
    }
}

fn rule_filters(value: &Value) -> Read<DescribeConfigRulesFilters> {
    let read = |value| {
        let mode = members(value, &["EvaluationMode"])?.get("EvaluationMode").map(word).transpose().ok()?;
        Some(DescribeConfigRulesFilters::builder().set_evaluation_mode(mode).build())
    };
    read(value).ok_or("an object of EvaluationMode")
}
