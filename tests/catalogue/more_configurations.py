"""Configurations of Apache, Dovecot, OpenLDAP, and of servers that are clients of ours."""

from __future__ import annotations

_APACHE = """\
ServerRoot FOLDER
ServerName localhost
Listen 127.0.0.1:PORT
PidFile apache-PORT.pid
ErrorLog /dev/stderr
LogLevel crit
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Mutex sem
User www-data
Group www-data
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
DocumentRoot /usr
SSLEngine on
SSLCertificateFile server.pem
SSLCertificateKeyFile server.key
SSLCACertificateFile root.pem
{rest}
<Location />
  SetHandler server-status
  {inside}
</Location>
"""
APACHE = {
    "required": _APACHE.format(rest="SSLVerifyClient require\nSSLVerifyDepth 3", inside=""),
    "optional": _APACHE.format(
        rest="SSLVerifyClient optional_no_ca\nSSLVerifyDepth 3",
        inside='Require expr %{SSL_CLIENT_VERIFY} == "SUCCESS"',
    ),
    "later": _APACHE.format(rest="SSLVerifyDepth 3", inside="SSLVerifyClient require"),
    "later in HTTP/2": _APACHE.format(
        rest="LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so\nProtocols h2 http/1.1\nSSLVerifyDepth 3",
        inside="SSLVerifyClient require",
    ),
    "ada alone": _APACHE.format(
        rest="SSLVerifyClient require\nSSLVerifyDepth 3", inside='Require expr %{SSL_CLIENT_S_DN_CN} == "ada"'
    ),
    "behind a balancer": _APACHE.format(
        rest="LoadModule remoteip_module /usr/lib/apache2/modules/mod_remoteip.so\nRemoteIPProxyProtocol On",
        inside="",
    ),
    "unasked": _APACHE.format(rest="", inside=""),
    "depth": _APACHE.format(rest="SSLVerifyClient require", inside=""),
}

_DOVECOT = """\
protocols = imap
base_dir = ELSEWHERE/dovecot-PORT
state_dir = ELSEWHERE/dovecot-PORT
log_path = /dev/stderr
ssl = required
ssl_cert = <FOLDER/server.pem
ssl_key = <FOLDER/server.key
ssl_ca = <FOLDER/root.pem
ssl_require_crl = no
auth_failure_delay = 0
{rest}
default_internal_user = USER
default_internal_group = USER
default_login_user = NOBODY
first_valid_uid = 0
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=NOBODY gid=NOBODY home=ELSEWHERE
}}
mail_location = maildir:ELSEWHERE/mail
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = PORT
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""
DOVECOT = {
    "required": _DOVECOT.format(rest="ssl_verify_client_cert = yes\nauth_ssl_require_client_cert = yes"),
    "password": _DOVECOT.format(rest=""),
}

_SLAPD = """\
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
pidfile slapd-PORT.pid
TLSCertificateFile server.pem
TLSCertificateKeyFile server.key
TLSCACertificateFile root.pem
TLSVerifyClient {verify}
{rest}
database ldif
suffix dc=acme
directory FOLDER
rootdn cn=ada,dc=acme
rootpw secret
"""
SLAPD = {
    "demand": _SLAPD.format(verify="demand", rest=""),
    "login": _SLAPD.format(verify="demand", rest="disallow bind_anon\nrequire authc"),
    "never": _SLAPD.format(verify="never", rest=""),
}
PROSODY = """\
run_as_root = true
pidfile = "FOLDER/prosody-PORT.pid"
data_path = "FOLDER"
modules_enabled = { "tls", "saslauth" }
modules_disabled = { "s2s", "http" }
interfaces = { "127.0.0.1" }
c2s_ports = { PORT }
s2s_ports = {}
ssl = { certificate = "FOLDER/server.pem"; key = "FOLDER/server.key" }
log = "FOLDER/prosody.log"
VirtualHost "localhost"
"""

# -- servers as clients of ours --------------------------------------------------------------------------------
_CHECK = """\
defaults
  mode tcp
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend nobody
  bind FOLDER/checks.sock
  default_backend us
backend us
  server us 127.0.0.1:PORT check inter 60s ssl verify required ca-file root.pem verifyhost localhost {crt}
"""
_BRIDGE = """\
listener 0 FOLDER/bridge.sock
user root
connection us
address localhost:PORT
topic # out
bridge_cafile root.pem
{rest}
"""


def checking(who: str = "", says: str = "") -> str:
    """HAProxy, which checks us as one of its servers. says: what it sends, and waits for, so that it does not reset."""
    sends = f"  option tcp-check\n  tcp-check send {says}\n  tcp-check expect string {says}\n" if says else ""
    return _CHECK.format(crt=f"crt {who}.both" if who else "") + sends


def bridging(who: str = "") -> str:
    """mosquitto, which bridges to us."""
    return _BRIDGE.format(rest=f"bridge_certfile {who}.pem\nbridge_keyfile {who}.key" if who else "")
