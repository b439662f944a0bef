# Every primitive by alos-call, in the order of broker_test.cc; $1 is the workspace.
w=$1
call() { alos-call "$@" 2>/dev/null; }
for name in file .env absent; do call fs.read $w/$name; done
for name in new .env absent/x; do call fs.write $w/$name --content x; done
for name in file .env absent; do call fs.append $w/$name --content x; done
for path in $w /srv $w/file; do call fs.list $path; done
for name in file .env absent; do call fs.stat $w/$name; done
for path in $w/dir /srv/dir $w/file/x; do call fs.mkdir $path; done
call fs.remove $w/dir --directory; for name in .env absent; do call fs.remove $w/$name; done
for name in new .env absent; do call fs.rename $w/$name $w/newer; done
for name in file .env absent; do call fs.copy $w/$name $w/copy; done
for name in file .env absent; do call fs.open $w/$name -- echo '{"ok":{}}'; done
for program in true id no-such-program; do call shell.run -- $program; done
for zone in +02:00 Nowhere; do call clock.now --zone $zone; done
for ms in 1 2500 1999 1001; do call clock.sleep $ms; done
for request in "fs.read $w/.env" "no request"; do call policy.why "$request"; done
exit 0
