# The balancer, who may talk to whom, what the tasks may read, and alarms.

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Visitors to the balancer of Sluice"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "nodes" {
  name        = "${var.name}-nodes"
  description = "The balancer to the nodes of Sluice"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "visitors" {
  for_each          = { http = 80, https = 443 }
  security_group_id = aws_security_group.balancer.id
  description       = "Visitors by ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each                     = { visitors = 8080, health = 9900 }
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the nodes: ${each.key}"
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  for_each                     = { visitors = 8080, health = 9900 }
  security_group_id            = aws_security_group.nodes.id
  description                  = "From the balancer: ${each.key}"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

# The origin, the registry, Redis, DNS: narrow it once you know your addresses.
resource "aws_vpc_security_group_egress_rule" "nodes" {
  security_group_id = aws_security_group.nodes.id
  description       = "Origins, registry, Redis"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_lb" "sluice" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.public_subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = true
  # The tenant is found by Host, the visitor by X-Forwarded-For. Sluice closes an idle connection after 75 s.
  preserve_host_header       = true
  xff_header_processing_mode = "append"
  idle_timeout               = 60

  dynamic "access_logs" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]
    content {
      enabled = true
      bucket  = access_logs.value
      prefix  = var.name
    }
  }
}

resource "aws_lb_target_group" "sluice" {
  name                 = var.name
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = 8080
  deregistration_delay = 30

  health_check {
    path                = "/health/ready"
    port                = "9900"
    matcher             = "200"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.sluice.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.sluice.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.sluice.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_iam_role" "execution" {
  name = "${var.name}-execution"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  name = "secrets"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{ Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = [var.key_secret_arn, module.redis.password_secret_arn] }],
      var.kms_key_arn == null ? [] : [{ Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.kms_key_arn] }],
    )
  })
}

resource "aws_cloudwatch_metric_alarm" "nodes" {
  alarm_name          = "${var.name}-nodes-not-ready"
  alarm_description   = "Fewer nodes of Sluice are ready than there should be"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.nodes_min
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  dimensions = {
    LoadBalancer = aws_lb.sluice.arn_suffix
    TargetGroup  = aws_lb_target_group.sluice.arn_suffix
  }
}

resource "aws_cloudwatch_metric_alarm" "redis" {
  for_each = {
    Evictions                     = { threshold = 0, about = "Redis evicts: a line may be lost" }
    DatabaseMemoryUsagePercentage = { threshold = 80, about = "Redis is nearly out of memory" }
    EngineCPUUtilization          = { threshold = 80, about = "Redis has no time left: lines are called late" }
  }
  alarm_name          = "${var.name}-redis-${lower(each.key)}"
  alarm_description   = each.value.about
  namespace           = "AWS/ElastiCache"
  metric_name         = each.key
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 2
  alarm_actions       = var.alarm_topic_arns
  dimensions          = { ReplicationGroupId = module.redis.replication_group_id }
}

output "dns_name" {
  value       = aws_lb.sluice.dns_name
  description = "What the site's DNS record is switched to."
}

output "zone_id" {
  value       = aws_lb.sluice.zone_id
  description = "For an alias record in Route 53."
}
