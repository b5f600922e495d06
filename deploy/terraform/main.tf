# The stacks of deploy/ as one module. CloudFormation stays the artefact that is tested; this only hands values from one
# stack to the next. README.md says what is not tested.

terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60"
      # log_archive: the account of the bucket; may be the same.
      configuration_aliases = [aws.log_archive]
    }
  }
}

locals {
  templates = "${path.module}/.."
  task_role = "evidenced-${var.scope}-task"
}

data "aws_caller_identity" "audit" {}

resource "aws_cloudformation_stack" "bucket" {
  # checkov:skip=CKV_AWS_124: the topics are given by a variable, which checkov does not follow
  provider      = aws.log_archive
  name          = "evidenced-${var.scope}-bucket"
  template_body = file("${local.templates}/bucket.yaml")

  notification_arns = var.log_archive_notification_arns

  parameters = {
    BucketName           = var.bucket_name
    Prefix               = var.bucket_prefix
    LockMode             = var.lock_mode
    LockDays             = var.lock_days
    WriterAccountId      = data.aws_caller_identity.audit.account_id
    WriterRoleName       = local.task_role
    ReaderAccountId      = var.reader_account_id
    ReaderRoleName       = var.reader_role_name
    AdministratorRoleArn = var.bucket_administrator_role_arn
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_cloudformation_stack" "service" {
  # checkov:skip=CKV_AWS_124: the topics are given by a variable, which checkov does not follow
  name          = "evidenced-${var.scope}-service"
  template_body = file("${local.templates}/service.yaml")
  capabilities  = ["CAPABILITY_NAMED_IAM"]

  notification_arns = var.notification_arns

  parameters = {
    Scope                   = var.scope
    Image                   = var.image
    BucketName              = var.bucket_name
    BucketPrefix            = var.bucket_prefix
    BucketKeyArn            = aws_cloudformation_stack.bucket.outputs["BucketKeyArn"]
    MemberRoleName          = var.member_role_name
    OrganizationId          = var.organization_id
    ExternalIdSecretArn     = var.external_id_secret_arn
    NetworkMode             = var.network_mode
    VpcId                   = var.vpc_id
    VpcCidr                 = var.vpc_cidr
    SubnetIds               = join(",", var.subnet_ids)
    S3PrefixListId          = var.s3_prefix_list_id
    KeyAdministratorRoleArn = var.key_administrator_role_arn
    AlarmEmail              = var.alarm_email
  }

  lifecycle {
    prevent_destroy = true
  }
}
