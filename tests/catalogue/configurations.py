"""The configuration files of the catalogue's servers, by what is particular in each."""

from __future__ import annotations

_NGINX = """\
daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {{}}
http {{
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  ssl_certificate server.pem; ssl_certificate_key server.key;
  {servers}
}}
"""
_PAGE = "return 200 'welcome';"
NGINX = {
    name: _NGINX.format(servers=servers)
    for name, servers in {
        "required": "ssl_client_certificate root.pem; ssl_verify_client on; ssl_verify_depth 3; "
        f"server {{ listen 127.0.0.1:PORT ssl; {_PAGE} }}",
        "forbidden": "ssl_client_certificate root.pem; ssl_verify_client on; ssl_verify_depth 3; "
        "server { listen 127.0.0.1:PORT ssl; if ($ssl_client_s_dn != 'CN=ada') { return 403; } "
        + _PAGE
        + " }",
        "unasked": "server { listen 127.0.0.1:PORT ssl; location / { return 403; } }",
        "names": "server { listen 127.0.0.1:PORT ssl default_server; ssl_reject_handshake on; } "
        "server { listen 127.0.0.1:PORT ssl; server_name acme.example; ssl_certificate server-acme.pem; "
        f"ssl_certificate_key server-acme.key; {_PAGE} }}",
        "optional": "ssl_client_certificate root.pem; ssl_verify_client optional_no_ca; ssl_verify_depth 3; "
        "server { listen 127.0.0.1:PORT ssl; if ($ssl_client_verify != SUCCESS) { return 403; } "
        + _PAGE
        + " }",
        "depth": "ssl_client_certificate root.pem; ssl_verify_client on; "
        f"server {{ listen 127.0.0.1:PORT ssl; {_PAGE} }}",
        "basic": "server { listen 127.0.0.1:PORT ssl; auth_basic Acme; auth_basic_user_file users; "
        "location / { empty_gif; } }",
        "bearer": "ssl_client_certificate root.pem; ssl_verify_client on; ssl_verify_depth 3; "
        "server { listen 127.0.0.1:PORT ssl; "
        """add_header WWW-Authenticate 'Bearer realm="acme"' always; """
        f"if ($http_authorization != 'Bearer token') {{ return 401; }} {_PAGE} }}",
        "proxy": "server { listen 127.0.0.1:PORT ssl; "
        "add_header Proxy-Authenticate 'Basic realm=acme' always; "
        f"if ($http_proxy_authorization = '') {{ return 407; }} {_PAGE} }}",
        "gateway": "server { listen 127.0.0.1:PORT ssl; location / { proxy_pass http://127.0.0.1:9; } }",
        "misdirected": "server { listen 127.0.0.1:PORT ssl; ssl_certificate server-names.pem; "
        f"ssl_certificate_key server-names.key; if ($ssl_server_name = localhost) {{ return 421; }} {_PAGE} }}",
        "page": f"server {{ listen 127.0.0.1:PORT ssl; {_PAGE} }}",
        "behind a proxy": "server { listen 127.0.0.1:PORT ssl; location / { "
        "proxy_pass https://unix:FOLDER/behind-PORT.sock:/; } } server { listen unix:FOLDER/behind-PORT.sock ssl; "
        f"ssl_client_certificate root.pem; ssl_verify_client on; {_PAGE} }}",
        "forwarding": "server { listen 127.0.0.1:PORT ssl; location / { proxy_pass http://127.0.0.1:PORT; } }",
        "http 2 in plain": f"server {{ listen 127.0.0.1:PORT http2; {_PAGE} }}",
        "suites of another key": "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; "
        "server { listen 127.0.0.1:PORT ssl; ssl_certificate server-rsa.pem; ssl_certificate_key server-rsa.key; "
        f"{_PAGE} }}",
        "plain": f"server {{ listen 127.0.0.1:PORT; {_PAGE} }}",
    }.items()
}

NGINX["behind a proxy"] = NGINX["behind a proxy"].replace(
    "daemon off;", "daemon off; user root;"
)  # of its socket
# Passes TLS on by the server name that it reads in the hello, to where nobody listens.
DEAD_ROUTER = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {}
stream {
  map $ssl_preread_server_name $upstream { default 127.0.0.1:9; }
  server { listen 127.0.0.1:PORT; ssl_preread on; proxy_pass $upstream; }
}
"""
BALANCER = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; user root; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {}
stream { server { listen 127.0.0.1:PORT; proxy_pass unix:FOLDER/balancer-PORT.sock; proxy_protocol on; } }
http {
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {
    listen unix:FOLDER/balancer-PORT.sock ssl; ssl_certificate server.pem; ssl_certificate_key server.key;
    return 200 'welcome';
  }
}
"""

_HAPROXY = """\
global
  ssl-server-verify none
{globals}
defaults
  mode tcp
  timeout connect 2s
  timeout client 5s
  timeout server 5s
{rest}
"""
_BIND = "frontend us\n  bind 127.0.0.1:PORT ssl crt server.both"
_DEVICE = """\
global
  ssl-server-verify none
defaults
  mode tcp
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend device
  bind 127.0.0.1:PORT
  tcp-request inspect-delay {delay}
  tcp-request content {rule}
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  default_backend inner
backend inner
  server inner FOLDER/{name}.sock
frontend us
  bind FOLDER/{name}.sock ssl crt server-names.both
  mode http
  http-request return status 200
"""
HAPROXY = {
    "required": _HAPROXY.format(
        globals="",
        rest=f"{_BIND} ca-file root.pem verify required\n  mode http\n  http-request return status 200\n",
    ),
    # A device before a server: what it rejects it closes without a word.
    "small hellos": _DEVICE.format(rule="reject if { req.len gt 1300 }", name="small", delay="200ms"),
    "router": _DEVICE.format(
        rule="reject if { req.ssl_hello_type 1 } !{ req.ssl_sni -i acme.example }", name="router", delay="3s"
    ),
    "router of all": _DEVICE.format(rule="accept if { req.ssl_hello_type 1 }", name="router", delay="3s"),
    "lists": _HAPROXY.format(
        globals="",
        rest=f"{_BIND} ca-file root.pem verify required crl-file all-crls.pem\n"
        "  mode http\n  http-request return status 200\n",
    ),
    "ada alone": _HAPROXY.format(
        globals="",
        rest=f"{_BIND} ca-file root.pem verify required\n"
        "  tcp-request inspect-delay 2s\n"
        "  tcp-request content reject unless { ssl_c_s_dn(cn) -m str ada }\n"
        "  default_backend none\nbackend none\n  server none 127.0.0.1:9\n",
    ),
    "ada and bob": _HAPROXY.format(
        globals="",
        rest=f"{_BIND} ca-file root.pem verify required\n  mode http\n"
        "  tcp-request content reject unless { ssl_c_s_dn(cn) -m str ada bob }\n  http-request return status 200\n",
    ),
    "silent": _HAPROXY.format(
        globals="",
        rest="frontend us\n  bind 127.0.0.1:PORT\n  tcp-request inspect-delay 1s\n"
        "  tcp-request content accept if { req.payload(0,9) -m str nothing!! }\n"
        "  tcp-request content reject if { req.len gt 100000 }\n"
        "  default_backend none\nbackend none\n  server none 127.0.0.1:9\n",
    ),
    "header": _HAPROXY.format(
        globals="",
        rest="frontend us\n  bind 127.0.0.1:PORT accept-proxy ssl crt server.both\n  mode http\n"
        "  http-request return status 200\n",
    ),
    "gateway": _HAPROXY.format(
        globals="", rest=f"{_BIND}\n  mode http\n  default_backend none\nbackend none\n  mode http\n"
    ),
    "tunnel": _HAPROXY.format(
        globals="",
        rest=f"{_BIND}\n  default_backend none\nbackend none\n  retries 0\n  server none 127.0.0.1:9\n",
    ),
    "balancer without a server": _HAPROXY.format(
        globals="",
        rest="frontend us\n  bind 127.0.0.1:PORT\n  default_backend none\nbackend none\n  retries 0\n"
        "  server none 127.0.0.1:9\n",
    ),
    "ssh": _HAPROXY.format(
        globals="  lua-load banners.lua",
        rest="frontend us\n  bind 127.0.0.1:PORT\n  tcp-request content use-service lua.ssh\n",
    ),
}
# What OpenSSH says first.
LUA = """\
core.register_service("ssh", "tcp", function(applet) applet:send("SSH-2.0-OpenSSH_9.2p1 Debian-2\\r\\n") end)
"""

_BROKER = """\
listener PORT 127.0.0.1
cafile root.pem
certfile server.pem
keyfile server.key
require_certificate true
user root
{rest}
"""
BROKER = {
    "open": _BROKER.format(rest="allow_anonymous true"),
    "password": _BROKER.format(rest="allow_anonymous false"),
    "nothing allowed": _BROKER.format(rest="allow_anonymous true\nacl_file rules"),
}
# Version 5: a session, and a message to a topic whose answer is awaited (QoS 1).
MQTT_5_PUBLISH = (
    b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04test" + b"\x32\x0b\x00\x03a/b\x00\x01\x00abc"
)
MQTT_CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"  # version 3.1.1, a clean session

_STUNNEL = """\
foreground = yes
pid =
debug = err
[us]
accept = 127.0.0.1:PORT
cert = server.pem
key = server.key
{rest}
"""
# A client of ours, which compares by itself the name in our certificate.
STUNNEL_CALLS = """\
foreground = yes
pid =
debug = err
[us]
client = yes
connect = 127.0.0.1:PORT
exec = /bin/echo
execArgs = echo hello
CAfile = root.pem
verifyChain = yes
checkHost = localhost
"""
_ECHO = "exec = /bin/cat\nexecArgs = cat"
STUNNEL = {
    "verify": _STUNNEL.format(rest=f"CAfile = root.pem\nverifyChain = yes\n{_ECHO}"),
    "pinned": _STUNNEL.format(rest=f"CAfile = client.pem\nverifyPeer = yes\n{_ECHO}"),
    "echo": _STUNNEL.format(rest=_ECHO),
    "dead": _STUNNEL.format(rest="connect = 127.0.0.1:9"),
}
