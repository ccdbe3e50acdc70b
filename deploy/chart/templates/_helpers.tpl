{{- define "exporter.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "exporter.fullname" -}}
{{- $name := include "exporter.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ include "exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: exporter
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "exporter.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "exporter.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "exporter.image" -}}
{{- $image := list .Values.image.registry .Values.image.repository | compact | join "/" -}}
{{- if .Values.image.digest -}}
{{ $image }}@{{ .Values.image.digest }}
{{- else -}}
{{ $image }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "exporter.subject" -}}
- kind: ServiceAccount
  name: {{ include "exporter.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "exporter.hasWebConfig" -}}
{{- if or .Values.web.tlsSecretName .Values.web.configSecretName }}true{{ end }}
{{- end }}

{{- define "exporter.probe" -}}
{{- if eq .values.web.clientAuthType "RequireAndVerifyClientCert" -}}
tcpSocket:
  port: http-metrics
{{- else -}}
httpGet:
  path: {{ .path }}
  port: http-metrics
  {{- if .values.web.tlsSecretName }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}

{{- define "exporter.endpoint" -}}
- port: http-metrics
  {{- with .Values.prometheus.monitor }}
  honorLabels: {{ .honorLabels }}
  interval: {{ .interval }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- with .relabelings }}
  relabelings: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tlsConfig }}
  tlsConfig: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .bearerTokenFile }}
  bearerTokenFile: {{ . }}
  {{- end }}
  {{- end }}
  {{- if .Values.web.tlsSecretName }}
  scheme: https
  {{- end }}
{{- end }}
