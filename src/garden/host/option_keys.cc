// The table of the flags of `gdn server` (docs/spec/garden.md §6.1).
#include "garden/host/options.h"

namespace rivera::garden {
namespace {

constexpr char kNoMetrics[] = "metrics are served under /metrics of the debug address only";
constexpr char kNoThrottling[] = "CPU is shared by weight; throttling is not built";
constexpr char kNoTools[] = "this program does the work itself";
constexpr char kContainerd[] = "containers are run by the OCI runtime directly";

base::ConfigKeys server_flags() {
  using namespace base;
  const Options o;
  return {
      text_key("bind-ip").described("listen on TCP at this address"),
      port_key("bind-port").described("and this port"),
      text_key("bind-socket", o.bind_socket)
          .with_zero_as_default()
          .described("listen on this Unix socket [/tmp/garden.sock]"),
      text_key("bind-socket-mode", "0777").described("permission bits of the socket, octal [0777]"),
      duration_key("read-header-timeout").not_negative().described("how long a request's head may take; 0: no limit"),
      duration_key("read-body-timeout", o.read_body_timeout)
          .positive()
          .described("how long a client may keep a request's body back, and a second longer for each 16 KiB [2m]"),
      duration_key("read-document-timeout", o.read_document_timeout)
          .positive()
          .described("how long a request's JSON document may take in all [10s]"),
      duration_key("transfer-timeout", o.transfer_timeout)
          .positive()
          .described("how long a file transfer into a container may take in all [1h]"),
      duration_key("write-timeout", o.write_timeout)
          .positive()
          .described("how long a client may leave a response unread, and a second longer for each 16 KiB [2m]"),
      duration_key("idle-timeout", o.idle_timeout)
          .positive()
          .described("how long a connection may be without a request [5m]"),
      text_key("debug-bind-ip").described("serve metrics and health at this address"),
      port_key("debug-bind-port", o.debug_bind_port).described("and this port [17013]"),
      text_key("tag").described("up to 2 characters that keep several servers' names apart"),
      text_key("log-level", o.log_level)
          .one_of({"debug", "info", "error", "fatal"})
          .described("debug, info, error or fatal [info]"),
      text_key("time-format", "rfc3339")
          .one_of({"rfc3339", "unix-epoch"})
          .with_zero_as_default()
          .described("rfc3339 or unix-epoch [rfc3339]"),
      text_key("depot", o.depot).with_zero_as_default().described("directory of the containers [/var/run/gdn/depot]"),
      text_key("state-dir").described("directory of layers and file systems [<depot>-state]"),
      text_key("run-dir").described("directory of mounts [below /run]"),
      text_key("properties-path").unused("properties are always kept, beside the container"),
      text_key("console-sockets-path").unused("upstream does not use it either"),
      text_key("assets-dir", "/var/gdn/assets").unused(kNoTools),
      flag_key("skip-setup").described("do not mount control groups that are missing"),
      duration_key("metrics-emission-interval", std::chrono::minutes(1)).not_built(kNoMetrics),
      text_key("dropsonde-origin", "garden-linux").not_built(kNoMetrics),
      text_key("dropsonde-destination", "127.0.0.1:3457").not_built(kNoMetrics),
  };
}

base::ConfigKeys container_flags() {
  using namespace base;
  constexpr std::int64_t kMostId = 0xffffffff, kLeastIds = 65'536;
  const Options o;
  return {
      text_key("default-rootfs").described("directory, tar file, or docker:// or oci:// image"),
      duration_key("default-grace-time")
          .not_negative()
          .described("after which an unused container is destroyed; 0: never"),
      flag_key("destroy-containers-on-startup").described("keep no container from the last run"),
      flag_key("disable-privileged-containers").described("refuse to create them"),
      flag_key("cleanup-process-dirs-on-wait").described("forget a process once its exit status was read"),
      integer_key("max-containers").not_negative().described("0: as many as there are networks"),
      integer_key("uid-map-start", o.uid_map_start).between(1, kMostId).described("first host id of users [1]"),
      integer_key("uid-map-length").between(0, kMostId).described("0: up to the host's largest id"),
      integer_key("gid-map-start", o.gid_map_start).between(1, kMostId).described("first host id of groups [1]"),
      integer_key("gid-map-length").between(0, kMostId).described("0: up to the host's largest id"),
      flag_key("container-id-ranges")
          .described("unprivileged containers have host ids of their own, where the kernel can map files"),
      integer_key("container-id-pool-start", o.container_id_pool_start)
          .between(kLeastIds, kMostId)
          .described("first of those host ids [2415919104]"),
      integer_key("container-id-pool-size", o.container_id_pool_size)
          .between(kLeastIds, kMostId)
          .described("how many there are for all containers [536870912]"),
      integer_key("container-id-range-length", o.container_id_range_length)
          .between(kLeastIds, 1 << 24)
          .described("how many each container has [65536]"),
      text_key("apparmor").described("profile of processes in unprivileged containers"),
      flag_key("no-new-privileges").described("for every process in unprivileged containers"),
      flag_key("deny-raw-sockets").described("unprivileged containers get no raw sockets"),
      flag_key("restrict-syscalls")
          .described("unprivileged containers get no asynchronous I/O contexts, no AF_VSOCK, no 32 bit calls"),
      texts_key("device-cgroup-rule").described("devices of privileged containers: \"TYPE MAJOR:MINOR ACCESS\""),
      text_key("runtime-plugin").described("OCI runtime [crun where it works, else runc]"),
      texts_key("runtime-plugin-extra-arg").described("argument of the runtime, before its command"),
      text_key("init-bin").described("first process of containers [garden-init beside this program]"),
      text_key("shim-bin").described("keeper of processes [garden-shim beside this program]"),
      text_key("dadoo-bin").unused(kNoTools),
      text_key("nstar-bin").unused(kNoTools),
      text_key("tar-bin").unused(kNoTools),
      text_key("containerd-socket").unused(kContainerd),
      flag_key("use-containerd-for-processes").unused(kContainerd),
  };
}

base::ConfigKeys image_flags() {
  using namespace base;
  const Options o;
  return {
      text_key("image-plugin").described("program that makes root file systems of unprivileged containers"),
      texts_key("image-plugin-extra-arg").described("argument of it, before its command"),
      text_key("privileged-image-plugin").described("the same for privileged containers"),
      texts_key("privileged-image-plugin-extra-arg").described("argument of it, before its command"),
      flag_key("no-image-plugin").unused("there is none"),
      text_key("docker-registry", o.docker_registry)
          .with_zero_as_default()
          .described("host[:port] of images that name no registry [registry-1.docker.io]"),
      texts_key("insecure-docker-registry")
          .described("host[:port] whose certificate is not verified, and that may speak plain HTTP"),
      text_key("registry-certificates", o.registry_certificates)
          .described("directory: <host[:port]>/*.crt, client.cert and client.key [/etc/docker/certs.d]"),
      texts_key("deny-registry-network")
          .described("network that images do not come from, beside this machine's own addresses"),
      texts_key("allow-registry-network").described("network of this machine that images may come from"),
      integer_key("graph-cleanup-threshold-in-megabytes", o.graph_cleanup_threshold_megabytes)
          .between(-1, 1'000'000'000)
          .described("unused layers are removed when all layers have more; -1: never [10240]"),
  };
}

base::ConfigKeys network_flags() {
  using namespace base;
  const Options o;
  return {
      text_key("network-pool", o.network_pool)
          .with_zero_as_default()
          .described("addresses of containers, a /30 each [10.254.0.0/22]"),
      flag_key("allow-host-access").described("let containers reach this machine"),
      texts_key("deny-network").described("network that containers may not reach"),
      texts_key("dns-server").described("name server of containers"),
      texts_key("additional-dns-server").described("after those of the host or --dns-server"),
      texts_key("additional-host-entry").described("line of /etc/hosts"),
      text_key("external-ip").described("where mapped ports are reached [detected]"),
      integer_key("port-pool-start", o.port_pool_start).between(0, 65535).described("first port of the pool [61001]"),
      integer_key("port-pool-size", o.port_pool_size).between(0, 65535).described("number of ports in the pool [4534]"),
      text_key("port-pool-properties-path").described("file that keeps the position in the pool"),
      integer_key("mtu").between(0, 65535).described("0: that of the external interface; at most 1500"),
      flag_key("enable-container-network-metrics").described("count bytes of containers' networks"),
      integer_key("container-connection-limit")
          .between(0, 1'000'000)
          .described("connections that a container may have opened at a time; 0: any number"),
      text_key("network-plugin").described("program that connects containers instead"),
      texts_key("network-plugin-extra-arg").described("argument of it, before the others"),
      text_key("iptables-bin", "/sbin/iptables").unused("rules are written to nftables"),
      text_key("iptables-restore-bin", "/sbin/iptables-restore").unused("rules are written to nftables"),
  };
}

base::ConfigKeys limit_flags() {
  using namespace base;
  constexpr std::int64_t kMost = 0xffffffff;
  return {
      integer_key("cpu-quota-per-share")
          .between(0, 1'000'000'000)
          .described("microseconds of each 100 ms; 0: no quota"),
      number_key("cpu-entitlement-per-share").described("percent; 0: by the machine's memory"),
      integer_key("default-container-blockio-weight").between(0, 1000).described("10 to 1000; 0: the kernel's"),
      flag_key("disable-swap-limit").described("limit memory only"),
      integer_key("default-container-memory-limit")
          .not_negative()
          .described("bytes for containers that ask for no limit; 0: none"),
      integer_key("default-container-pid-limit")
          .not_negative()
          .described("processes of containers that ask for no limit; 0: no limit"),
      integer_key("container-io-max-read-bps").not_negative().not_built("I/O of containers is not limited"),
      integer_key("container-io-max-write-bps").not_negative().not_built("I/O of containers is not limited"),
      integer_key("container-io-max-read-iops").not_negative().not_built("I/O of containers is not limited"),
      integer_key("container-io-max-write-iops").not_negative().not_built("I/O of containers is not limited"),
      flag_key("enable-cpu-throttling").not_built(kNoThrottling),
      duration_key("cpu-throttling-check-interval", std::chrono::seconds(15)).positive().unused(kNoThrottling),
      integer_key("tcp-keepalive-time").between(0, kMost).described("sysctl of containers; 0: the host's value"),
      integer_key("tcp-keepalive-interval").between(0, kMost).described("likewise"),
      integer_key("tcp-keepalive-probes").between(0, kMost).described("likewise"),
      integer_key("tcp-retries1").between(0, kMost).described("likewise"),
      integer_key("tcp-retries2").between(0, kMost).described("likewise"),
  };
}

}  // namespace

const base::ConfigKeys& option_keys() {
  static const base::ConfigKeys keys =
      base::joined_keys({server_flags(), container_flags(), image_flags(), network_flags(), limit_flags()});
  return keys;
}

}  // namespace rivera::garden
