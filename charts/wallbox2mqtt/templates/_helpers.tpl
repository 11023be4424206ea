{{- define "wallbox2mqtt.fullname" -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" .Release.Name) -}}
{{- fail (printf "release %s: it names a Service, too; accepted are a letter first, then letters, digits and -" .Release.Name) -}}
{{- end -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 26 | trimSuffix "-" -}}
{{- end -}}

{{- define "wallbox2mqtt.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wallbox2mqtt.labels" -}}
{{ include "wallbox2mqtt.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "wallbox2mqtt.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The configuration of one account, as YAML: what all have, what is its own, and what its name makes. */}}
{{- define "wallbox2mqtt.config" -}}
{{- $made := dict "mqtt" (dict "client_id" (printf "wallbox2mqtt-%s" .account.name) "base_topic" (printf "wallbox-%s" .account.name)) -}}
{{- $port := dict "web" (dict "listen" (printf ":%d" (int .root.Values.service.port))) -}}
{{- mustMergeOverwrite $made (deepCopy .root.Values.config) (deepCopy (.account.config | default dict)) $port | toYaml -}}
{{- end -}}
