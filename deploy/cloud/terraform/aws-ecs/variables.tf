variable "name" {
  type        = string
  default     = "sluice"
  description = "Starts every name here."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "Write 3 to 20 of a-z, 0-9 and -, first a letter."
  }
}

variable "vpc_id" {
  type        = string
  description = "The VPC that everything stands in."
}

variable "public_subnet_ids" {
  type        = list(string)
  description = "Where the balancer stands: two zones at least."
  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "A balancer needs subnets in two zones."
  }
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Where nodes and Redis stand, with a way out to the registry and the origin."
  validation {
    condition     = length(var.private_subnet_ids) >= 2
    error_message = "Name subnets in two zones: one zone may be lost."
  }
}

variable "image" {
  type        = string
  description = "Your image of Sluice, by digest: registry.example.com/sluice@sha256:…"
}

variable "init_image" {
  type        = string
  default     = "public.ecr.aws/docker/library/busybox:1.36"
  description = "Any image with /bin/sh: it writes the config before a node starts."
}

variable "certificate_arn" {
  type        = string
  description = "The site's certificate in ACM, in this region."
}

variable "key_secret_arn" {
  type        = string
  description = "A secret in Secrets Manager whose text is the output of `sluice keygen`. A new one voids every ticket."
}

variable "tenants" {
  type        = map(string)
  description = "Sites: name of the file and its text, as in tenants/NAME.toml."
  validation {
    condition     = length(var.tenants) > 0
    error_message = "Name a site: a node without a tenant does not start."
  }
  validation {
    condition     = alltrue([for text in values(var.tenants) : can(regex("on_store_loss", text))])
    error_message = "Every queue of a fleet says what newcomers get while the store is unavailable: on_store_loss."
  }
}

variable "nodes_min" {
  type        = number
  default     = 3
  description = "Fewest nodes."
  validation {
    condition     = var.nodes_min >= 2
    error_message = "With one node each deployment takes the site away."
  }
}

variable "nodes_max" {
  type        = number
  default     = 10
  description = "Most nodes. They scale on CPU, not on visitors who wait."
}

variable "cpu" {
  type        = number
  default     = 1024
  description = "CPU units of a node."
}

variable "memory" {
  type        = number
  default     = 2048
  description = "Memory of a node in MiB."
}

variable "redis_node_type" {
  type        = string
  default     = "cache.t4g.small"
  description = "Size of the Redis."
}

variable "log_retention_days" {
  type        = number
  default     = 365
  description = "How long logs are kept."
}

variable "kms_key_arn" {
  type        = string
  default     = null
  description = "Key for logs, secrets and Redis. Default: the keys of AWS."
}

variable "access_log_bucket" {
  type        = string
  default     = null
  description = "S3 bucket for the balancer's access logs, which may write there. They hold visitors' addresses: keep them briefly."
}

variable "alarm_topic_arns" {
  type        = list(string)
  default     = []
  description = "SNS topics that alarms are sent to."
}
