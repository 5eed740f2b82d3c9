# Fill one board before the next; prefer, but don't insist.
boards 3
label 2 ssd=true
create full replicas=4 image=ok memory=400 label:bramble.strategy=binpack
create soft replicas=3 image=ok constraint=node.labels.ssd_==~_true
pass 10s
show full
  full.1 ok on n1: running, is running
  full.2 ok on n1: running, is running
  full.3 ok on n2: running, is running
  full.4 ok on n2: running, is running
show soft
  soft.1 ok on n2: running, is running
  soft.2 ok on n2: running, is running
  soft.3 ok on n2: running, is running
