#include "metrics_text.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <vector>

#include "base/result.hpp"

namespace synckit {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const char* name, const char* help, MetricType type) {
  MetricFamily out;
  out.name = std::string("synckit_") + name;
  out.help = help;
  out.type = type;
  return out;
}

MetricFamily counter(const char* name, const char* help, const Counter& value) {
  MetricFamily out = family(name, help, MetricType::Counter);
  ClientMetric metric;
  metric.counter.value = static_cast<double>(value.get());
  out.metric.push_back(metric);
  return out;
}

MetricFamily gauge(const char* name, const char* help, const Counter& value) {
  MetricFamily out = family(name, help, MetricType::Gauge);
  ClientMetric metric;
  metric.gauge.value = static_cast<double>(value.get());
  out.metric.push_back(metric);
  return out;
}

// `scale` turns the observed unit into the exported one.
MetricFamily histogram(const char* name, const char* help, const Histogram& value, double scale) {
  MetricFamily out = family(name, help, MetricType::Histogram);
  ClientMetric metric;
  uint64_t count = 0;
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    count += value.bucket(i);
    bool last = i + 1 == Histogram::kBuckets;
    metric.histogram.bucket.push_back(
        {count, last ? std::numeric_limits<double>::infinity()
                     : static_cast<double>(uint64_t{1} << i) * scale});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = static_cast<double>(value.sum()) * scale;
  out.metric.push_back(metric);
  return out;
}

}  // namespace

std::string metrics_text(const Metrics& m) {
  std::vector<MetricFamily> out = {
      gauge("connections", "Open WebSocket connections", m.connections),
      counter("connections_total", "WebSocket connections ever accepted", m.connections_total),
      counter("connections_refused_total", "Refused at limits.max_connections",
              m.connections_refused),
      counter("http_requests_total", "HTTP requests, upgrades included", m.http_requests),
      counter("frames_received_total", "Frames from clients", m.frames_in),
      counter("frames_sent_total", "Frames to clients", m.frames_out),
      counter("received_bytes_total", "Bytes of frames from clients", m.bytes_in),
      counter("sent_bytes_total", "Bytes to clients", m.bytes_out),
      counter("updates_total", "Updates received", m.updates),
      counter("acks_total", "Updates acknowledged", m.acks),
      counter("duplicates_total", "Updates that were stored before", m.duplicates),
      counter("denied_total", "Requests denied", m.denied),
      counter("deliveries_total", "Frames fanned out", m.deliveries),
      counter("presence_total", "Presence states relayed", m.presence),
      counter("sync_requests_total", "SyncRequests", m.sync_requests),
      counter("throttled_total", "Times a connection exceeded limits.max_messages_per_s",
              m.throttled),
      counter("slow_readers_cut_total", "Connections cut at limits.max_queue_bytes",
              m.slow_readers_cut),
      counter("idle_closed_total", "Connections closed without heartbeat", m.idle_closed),
      counter("auth_failures_total", "Credentials refused", m.auth_failures),
      gauge("queue_bytes", "Bytes waiting to be written to connections", m.queue_bytes),
      gauge("commit_queue_records", "Transactions waiting for storage", m.commit_queue),
      gauge("documents_active", "Documents in memory", m.documents_active),
      gauge("documents_quarantined", "Documents on which a type failed", m.documents_quarantined),
      counter("snapshots_total", "Snapshots saved", m.snapshots),
      counter("snapshot_failures_total", "Snapshots that failed", m.snapshot_failures),
      counter("storage_failures_total", "Commits that storage refused", m.storage_failures),
      histogram("commit_batch_records", "Transactions per commit", m.commit_batch, 1),
      histogram("commit_latency_seconds", "Duration of a commit", m.commit_latency_us, 1e-6),
  };
  MetricFamily errors = family("errors_total", "Errors sent, by code", MetricType::Counter);
  for (size_t code = 1; code < m.errors.size(); ++code) {
    ClientMetric metric;
    metric.label.push_back({"code", code_name(static_cast<sk_status>(code))});
    metric.counter.value = static_cast<double>(m.errors[code].get());
    errors.metric.push_back(metric);
  }
  out.push_back(errors);
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace synckit
