# A fleet of Sluice on ECS Fargate: balancer with TLS, three nodes, Redis that evicts nothing.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

data "aws_region" "here" {}

data "aws_subnet" "public" {
  for_each = toset(var.public_subnet_ids)
  id       = each.value
}

module "redis" {
  source                    = "../aws-redis"
  name                      = var.name
  vpc_id                    = var.vpc_id
  subnet_ids                = var.private_subnet_ids
  client_security_group_ids = { nodes = aws_security_group.nodes.id }
  node_type                 = var.redis_node_type
  kms_key_id                = var.kms_key_arn
}

locals {
  # Longer than drain_timeout and the notice before it.
  stop_seconds = 45

  sluice_toml = <<-TOML
    [server]
    http = ["0.0.0.0:8080"]
    admin = "0.0.0.0:9900"
    admin_public = true
    trusted_proxies = ${jsonencode([for subnet in data.aws_subnet.public : subnet.cidr_block])}
    drain_timeout = "30s"
    state_dir = "/var/lib/sluice"

    [store]
    url = "${module.redis.url}"
    password = { env = "SLUICE_STORE_PASSWORD" }

    [keys]
    current = "first"
    secrets = { first = { env = "SLUICE_KEY" } }
  TOML

  # Each file as a variable of the container that writes it.
  files = merge(
    { "sluice.toml" = local.sluice_toml },
    { for name, text in var.tenants : "tenants/${name}.toml" => text },
  )
  file_names = sort(keys(local.files))
  write = join(" && ", concat(
    ["mkdir -p /etc/sluice/tenants"],
    [for i, name in local.file_names : "printf %s \"$FILE_${i}\" | base64 -d > /etc/sluice/${name}"],
    ["chown -R 65532:65532 /var/lib/sluice"],
  ))

  logs = {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.sluice.name
      awslogs-region        = data.aws_region.here.region
      awslogs-stream-prefix = "sluice"
    }
  }
  mounts = [
    { sourceVolume = "config", containerPath = "/etc/sluice", readOnly = true },
    { sourceVolume = "state", containerPath = "/var/lib/sluice", readOnly = false },
  ]
}

resource "aws_cloudwatch_log_group" "sluice" {
  name              = "/sluice/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "sluice" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "sluice" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn

  volume {
    name = "config"
  }
  volume {
    name = "state"
  }

  container_definitions = jsonencode([
    {
      name             = "config"
      image            = var.init_image
      essential        = false
      command          = ["sh", "-c", local.write]
      environment      = [for i, name in local.file_names : { name = "FILE_${i}", value = base64encode(local.files[name]) }]
      mountPoints      = [for mount in local.mounts : merge(mount, { readOnly = false })]
      logConfiguration = local.logs
    },
    {
      name                   = "sluice"
      image                  = var.image
      essential              = true
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      dependsOn              = [{ containerName = "config", condition = "SUCCESS" }]
      stopTimeout            = local.stop_seconds
      portMappings           = [{ containerPort = 8080, protocol = "tcp" }, { containerPort = 9900, protocol = "tcp" }]
      mountPoints            = local.mounts
      secrets = [
        { name = "SLUICE_KEY", valueFrom = var.key_secret_arn },
        { name = "SLUICE_STORE_PASSWORD", valueFrom = module.redis.password_secret_arn },
      ]
      # Alive, not ready: a restart does not bring a lost store back.
      healthCheck = {
        command     = ["CMD", "/usr/local/bin/sluice", "health"]
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 30
      }
      ulimits          = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
      linuxParameters  = { initProcessEnabled = false, capabilities = { drop = ["ALL"] } }
      logConfiguration = local.logs
    },
  ])
}

resource "aws_ecs_service" "sluice" {
  name                               = var.name
  cluster                            = aws_ecs_cluster.sluice.id
  task_definition                    = aws_ecs_task_definition.sluice.arn
  launch_type                        = "FARGATE"
  desired_count                      = var.nodes_min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60
  propagate_tags                     = "SERVICE"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.nodes.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.sluice.arn
    container_name   = "sluice"
    container_port   = 8080
  }

  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.https]
}

# On CPU: visitors who wait cost polls, and more nodes do not shorten the line. Slow on the way down.
resource "aws_appautoscaling_target" "sluice" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.sluice.name}/${aws_ecs_service.sluice.name}"
  min_capacity       = var.nodes_min
  max_capacity       = var.nodes_max
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${var.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.sluice.service_namespace
  scalable_dimension = aws_appautoscaling_target.sluice.scalable_dimension
  resource_id        = aws_appautoscaling_target.sluice.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_out_cooldown = 30
    scale_in_cooldown  = 1800
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
