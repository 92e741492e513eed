"""The dashboards as code: what each shows, in `grafana-foundation-sdk`'s words."""
