{{- define "sluice.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "sluice" $name) -}}{{- $name = printf "%s-sluice" $name -}}{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sluice.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (include "sluice.name" .) }}
{{- else -}}{{ .Values.serviceAccount.name | default "default" }}{{- end -}}
{{- end -}}

{{- define "sluice.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Names of environment variables. */}}
{{- define "sluice.keyEnv" -}}SLUICE_KEY_{{ . | upper | replace "-" "_" | replace "." "_" }}{{- end -}}
{{- define "sluice.tlsEnv" -}}SLUICE_TLS_KEY_{{ . | upper | replace "-" "_" | replace "." "_" }}{{- end -}}

{{/* What cannot work is refused here, with what to write instead. */}}
{{- define "sluice.refuse" -}}
{{- $several := or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled -}}
{{- if and $several (not .Values.store.url) -}}
{{- fail "replicas above 1 and autoscaling need store.url: without a store each node would keep a line of its own" -}}
{{- end -}}
{{- if and .Values.tenants .Values.existingTenants.configMap -}}
{{- fail "set tenants or existingTenants.configMap, not both" -}}
{{- end -}}
{{- if not (or .Values.tenants .Values.existingTenants.configMap) -}}
{{- fail "set tenants (the site's file) or existingTenants.configMap: a node without a tenant does not start" -}}
{{- end -}}
{{- if and .Values.existingTenants.configMap (not .Values.existingTenants.files) -}}
{{- fail "existingTenants.files names the keys of the ConfigMap that are tenants' files" -}}
{{- end -}}
{{- if not (has .Values.keys.current .Values.keys.names) -}}
{{- fail "keys.current must be one of keys.names" -}}
{{- end -}}
{{- if and .Values.server.certificates (not .Values.server.https) -}}
{{- fail "server.certificates need server.https: true" -}}
{{- end -}}
{{- end -}}

{{- define "sluice.toml" -}}
[server]
http = ["0.0.0.0:8080"]
https = {{ ternary "[\"0.0.0.0:8443\"]" "[]" .Values.server.https }}
# Kubernetes asks for health from the machine, Prometheus from its pod. The network policy keeps others away.
admin = "0.0.0.0:9900"
admin_public = true
trusted_proxies = {{ toJson .Values.server.trustedProxies }}
connections_max = {{ int .Values.server.connectionsMax }}
drain_timeout = "{{ int .Values.server.drainSeconds }}s"
state_dir = "/var/lib/sluice"
{{- with .Values.server.extra }}
{{ . | trim }}
{{- end }}

[keys]
current = {{ .Values.keys.current | quote }}

[keys.secrets]
{{- range .Values.keys.names }}
{{ . | quote }} = { env = "{{ include "sluice.keyEnv" . }}" }
{{- end }}
{{- with .Values.store }}
{{- if .url }}

[store]
url = {{ .url | quote }}
{{- with .username }}
username = {{ . | quote }}
{{- end }}
{{- if .existingSecret }}
password = { env = "SLUICE_STORE_PASSWORD" }
{{- end }}
{{- with .extra }}
{{ . | trim }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
