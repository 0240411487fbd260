# The Redis that the nodes of a fleet share: two servers in two zones, TLS, and a policy that evicts nothing. ElastiCache's
# own default policy evicts, so the parameter group is a must. A failover may lose the last writes: lines heal from what the
# nodes remember.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = ">= 3.5"
    }
  }
}

variable "name" {
  type        = string
  description = "Starts every name here."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "Write 3 to 20 of a-z, 0-9 and -, first a letter."
  }
}

variable "vpc_id" {
  type        = string
  description = "The VPC of the nodes."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets, in two zones at least."
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Name subnets in two zones: a failover needs a second one."
  }
}

variable "client_security_group_ids" {
  type        = map(string)
  description = "Who may connect: security groups of the nodes, by any name."
}

variable "node_type" {
  type        = string
  default     = "cache.t4g.small"
  description = "A line with a million waiting takes 5 MB and a fiftieth of a core."
}

variable "kms_key_id" {
  type        = string
  default     = null
  description = "Key for data at rest and for the secret. Default: the keys of AWS."
}

resource "random_password" "auth" {
  length  = 48
  special = false
}

# Kept for Sluice. The password is in Terraform's state as well: keep that encrypted.
resource "aws_secretsmanager_secret" "auth" {
  name        = "${var.name}-store-password"
  description = "Password of the Redis that holds Sluice's lines"
  kms_key_id  = var.kms_key_id
}

resource "aws_secretsmanager_secret_version" "auth" {
  secret_id     = aws_secretsmanager_secret.auth.id
  secret_string = random_password.auth.result
}

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = "Redis of Sluice: from its nodes only"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  for_each                     = var.client_security_group_ids
  security_group_id            = aws_security_group.redis.id
  description                  = "Nodes of Sluice: ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

resource "aws_elasticache_subnet_group" "redis" {
  name       = "${var.name}-redis"
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "redis" {
  name        = "${var.name}-noeviction"
  family      = "redis7"
  description = "A line that is evicted is a line that is lost"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "redis" {
  replication_group_id       = "${var.name}-redis"
  description                = "Lines of Sluice"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.node_type
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  parameter_group_name       = aws_elasticache_parameter_group.redis.name
  subnet_group_name          = aws_elasticache_subnet_group.redis.name
  security_group_ids         = [aws_security_group.redis.id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_id
  auth_token                 = random_password.auth.result
  snapshot_retention_limit   = 7
  snapshot_window            = "03:00-04:00"
  maintenance_window         = "sun:04:30-sun:05:30"
  # Never in the middle of a sale: upgrades wait for the window, or for you.
  apply_immediately          = false
  auto_minor_version_upgrade = false
}

output "url" {
  value       = "rediss://${aws_elasticache_replication_group.redis.primary_endpoint_address}:6379"
  description = "For `url` of [store]."
}

output "password_secret_arn" {
  value       = aws_secretsmanager_secret.auth.arn
  description = "The secret with the password."
}

output "password" {
  value       = random_password.auth.result
  sensitive   = true
  description = "The password itself, for a cluster that has no way to Secrets Manager."
}

output "replication_group_id" {
  value       = aws_elasticache_replication_group.redis.id
  description = "For alarms."
}
