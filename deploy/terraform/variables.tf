variable "scope" {
  type        = string
  default     = "prod"
  description = "scope of the configuration"
}

variable "image" {
  type        = string
  default     = ""
  description = "The image by digest; nothing at the first apply, which makes the keys and the repository"

  validation {
    condition     = var.image == "" || can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "An image is named by digest: REPOSITORY@sha256:DIGEST."
  }
}

variable "bucket_name" {
  type        = string
  description = "Name of the bucket of the evidence"
}

variable "bucket_prefix" {
  type        = string
  default     = "v1/"
  description = "What all keys begin with, with its slash at the end"
}

variable "lock_mode" {
  type        = string
  default     = "GOVERNANCE"
  description = "COMPLIANCE for production: nobody can undo it"

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.lock_mode)
    error_message = "GOVERNANCE or COMPLIANCE."
  }
}

variable "lock_days" {
  type        = number
  default     = 1098
  description = "How long an object is locked"
}

variable "reader_account_id" {
  type        = string
  default     = ""
  description = "Account of those who read evidence"
}

variable "reader_role_name" {
  type        = string
  default     = "evidenced-reader"
  description = "Their role"
}

variable "bucket_administrator_role_arn" {
  type        = string
  description = "The one role that may change the bucket's settings"
}

variable "key_administrator_role_arn" {
  type        = string
  description = "The one role that may end a signing key"
}

variable "member_role_name" {
  type        = string
  default     = "EvidenceReader"
  description = "RoleName of member-role.yaml"
}

variable "organization_id" {
  type        = string
  description = "o-..."
}

variable "external_id_secret_arn" {
  type        = string
  description = "Secret whose text is the ExternalId; made outside of Terraform, whose state would hold it"
}

variable "network_mode" {
  type        = string
  default     = "egress-allowlist"
  description = "egress-allowlist or regional-workers"
}

variable "vpc_id" {
  type        = string
  description = "Network of the service"
}

variable "vpc_cidr" {
  type        = string
  default     = "10.0.0.0/16"
  description = "regional-workers: where the interface endpoints are"
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets"
}

variable "s3_prefix_list_id" {
  type        = string
  default     = ""
  description = "regional-workers: the prefix list of S3"
}

variable "alarm_email" {
  type        = string
  description = "Who is told"
}

variable "notification_arns" {
  type        = list(string)
  description = "SNS topics that are told of changes of the service's stack"
}

variable "log_archive_notification_arns" {
  type        = list(string)
  description = "SNS topics, of the account of the bucket, that are told of changes of its stack"
}
