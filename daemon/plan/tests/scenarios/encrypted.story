# What is in an encrypted network is only on boards whose kernels can encrypt.
boards 3
network secret encrypted
create web replicas=2 image=ok network=secret
pass 5s
show web
  web.1 ok on nowhere: running, is pending (no suitable node (no WireGuard for encrypted networks on 3 nodes))
  web.2 ok on nowhere: running, is pending (no suitable node (no WireGuard for encrypted networks on 3 nodes))
wireguard 2 yes
pass 5s
show web
  web.1 ok on n2: running, is running
  web.2 ok on n2: running, is running
# Another kernel was started, without WireGuard: its tasks go where they can still be encrypted.
wireguard 1 yes
wireguard 2 no
pass 20s
show web
  web.1 ok on n2: shutdown, is shutdown
  web.1 ok on n1: running, is running
  web.2 ok on n2: shutdown, is shutdown
  web.2 ok on n1: running, is running
create all global image=ok network=secret
pass 5s
show all
  all.n1 ok on n1: running, is running
