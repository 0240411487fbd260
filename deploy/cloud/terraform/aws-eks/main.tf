# A fleet of Sluice in an EKS cluster that is there: Redis that evicts nothing, and the chart.

terraform {
  required_version = ">= 1.5"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 2.12"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.25"
    }
  }
}

variable "name" {
  type        = string
  default     = "sluice"
  description = "Name of the release and of what is made beside it."
}

variable "namespace" {
  type        = string
  default     = "sluice"
  description = "Namespace, which is made."
}

variable "vpc_id" {
  type        = string
  description = "The VPC of the cluster."
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Where Redis stands: private subnets in two zones."
}

variable "node_security_group_id" {
  type        = string
  description = "Security group of the cluster's machines: they may reach Redis."
}

variable "master_key" {
  type        = string
  sensitive   = true
  description = "Output of `sluice keygen`. It is in Terraform's state: keep that encrypted. A new one voids every ticket."
}

variable "values" {
  type        = string
  description = "Values of the chart as YAML: image, tenants, ingress. Keys and store are set here."
}

variable "replicas" {
  type        = number
  default     = 3
  description = "Nodes."
  validation {
    condition     = var.replicas >= 2
    error_message = "With one node each rollout takes the site away."
  }
}

module "redis" {
  source                    = "../aws-redis"
  name                      = var.name
  vpc_id                    = var.vpc_id
  subnet_ids                = var.private_subnet_ids
  client_security_group_ids = { machines = var.node_security_group_id }
}

resource "kubernetes_namespace_v1" "sluice" {
  metadata {
    name   = var.namespace
    labels = { "pod-security.kubernetes.io/enforce" = "restricted" }
  }
}

resource "kubernetes_secret_v1" "keys" {
  metadata {
    name      = "${var.name}-keys"
    namespace = kubernetes_namespace_v1.sluice.metadata[0].name
  }
  data = { first = var.master_key }
}

resource "kubernetes_secret_v1" "store" {
  metadata {
    name      = "${var.name}-store"
    namespace = kubernetes_namespace_v1.sluice.metadata[0].name
  }
  data = { password = module.redis.password }
}

resource "helm_release" "sluice" {
  name            = var.name
  namespace       = kubernetes_namespace_v1.sluice.metadata[0].name
  chart           = "${path.module}/../../../kubernetes/chart"
  atomic          = true
  cleanup_on_fail = true
  # Each node drains: 45 s, one after the other.
  timeout = 900
  values = [
    var.values,
    yamlencode({
      replicas = var.replicas
      keys     = { existingSecret = kubernetes_secret_v1.keys.metadata[0].name, current = "first", names = ["first"] }
      store    = { url = module.redis.url, existingSecret = kubernetes_secret_v1.store.metadata[0].name }
    }),
  ]
}
