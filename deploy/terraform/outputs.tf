output "bucket" {
  description = "Outputs of bucket.yaml"
  value       = aws_cloudformation_stack.bucket.outputs
}

output "service" {
  description = "Outputs of service.yaml: keys for the trust root, repository for the image, role for member-role.yaml"
  value       = aws_cloudformation_stack.service.outputs
}
