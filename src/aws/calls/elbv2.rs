//! Calls of Elastic Load Balancing (application, network and gateway load balancers).

use super::calls;
use crate::aws::parameters::{int, text, texts, word};

calls! {
    "elbv2" Elbv2 {
        DescribeLoadBalancers describe_load_balancers {
            LoadBalancerArns set_load_balancer_arns texts, Names set_names texts, Marker set_marker text,
            PageSize set_page_size int,
        }
        DescribeLoadBalancerAttributes describe_load_balancer_attributes {
            LoadBalancerArn set_load_balancer_arn text,
        }
        DescribeListeners describe_listeners {
            LoadBalancerArn set_load_balancer_arn text, ListenerArns set_listener_arns texts,
            Marker set_marker text, PageSize set_page_size int,
        }
        DescribeListenerCertificates describe_listener_certificates {
            ListenerArn set_listener_arn text, Marker set_marker text, PageSize set_page_size int,
        }
        DescribeRules describe_rules {
            ListenerArn set_listener_arn text, RuleArns set_rule_arns texts, Marker set_marker text,
            PageSize set_page_size int,
        }
        DescribeSSLPolicies describe_ssl_policies {
            Names set_names texts, Marker set_marker text, PageSize set_page_size int,
            LoadBalancerType set_load_balancer_type word,
        }
        DescribeTargetGroups describe_target_groups {
            LoadBalancerArn set_load_balancer_arn text, TargetGroupArns set_target_group_arns texts,
            Names set_names texts, Marker set_marker text, PageSize set_page_size int,
        }
    }
}
