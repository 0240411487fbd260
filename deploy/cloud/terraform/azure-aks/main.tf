# A fleet of Sluice in an AKS cluster that is there: Azure Managed Redis that evicts nothing, and the chart.
#
# Azure Cache for Redis is at the end of its life, so this is its successor. Its policy evicts unless this says no, and its
# clustering policy is the one of a single endpoint, which `redis://` needs.

terraform {
  required_version = ">= 1.5"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.50"
    }
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

variable "resource_group_name" {
  type        = string
  description = "Resource group of the cluster."
}

variable "location" {
  type        = string
  description = "Region of the cluster: newcomers wait for one way to Redis."
}

variable "subnet_id" {
  type        = string
  description = "Subnet for the private endpoint of Redis, from which the cluster reaches it."
}

variable "private_dns_zone_id" {
  type        = string
  description = "Private DNS zone privatelink.redis.azure.net, linked to the cluster's network."
}

variable "redis_sku" {
  type        = string
  default     = "Balanced_B1"
  description = "Size of the Redis: a line with a million waiting takes 5 MB."
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

resource "azurerm_managed_redis" "sluice" {
  name                      = "${var.name}-redis"
  resource_group_name       = var.resource_group_name
  location                  = var.location
  sku_name                  = var.redis_sku
  high_availability_enabled = true
  public_network_access     = "Disabled"

  default_database {
    client_protocol                    = "Encrypted"
    clustering_policy                  = "EnterpriseCluster"
    eviction_policy                    = "NoEviction"
    access_keys_authentication_enabled = true
  }
}

resource "azurerm_private_endpoint" "redis" {
  name                = "${var.name}-redis"
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = var.subnet_id

  private_service_connection {
    name                           = "redis"
    private_connection_resource_id = azurerm_managed_redis.sluice.id
    subresource_names              = ["redisEnterprise"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "redis"
    private_dns_zone_ids = [var.private_dns_zone_id]
  }
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
  data = { password = azurerm_managed_redis.sluice.default_database[0].primary_access_key }
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
      store = {
        url            = "rediss://${azurerm_managed_redis.sluice.hostname}:${azurerm_managed_redis.sluice.default_database[0].port}"
        existingSecret = kubernetes_secret_v1.store.metadata[0].name
      }
    }),
  ]

  depends_on = [azurerm_private_endpoint.redis]
}
