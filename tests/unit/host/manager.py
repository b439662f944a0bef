# A user's manager that gives scopes: answers StartTransientUnit on the session bus as org.freedesktop.systemd1 does, by
# making the group's files and changing what /proc/PID/cgroup would say. Arguments: directory of the group, file to change.
import os, sys
import dbus, dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

slice_dir, cgroup_file, log = sys.argv[1:4]
DBusGMainLoop(set_as_default=True)


class Manager(dbus.service.Object):
    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="ssa(sv)a(sa(sv))", out_signature="o")
    def StartTransientUnit(self, name, mode, properties, aux):
        with open(log, "w") as out:
            out.write(f"{name} {mode} {len(aux)}\n")
            for key, value in properties:
                out.write(f"{key}={','.join(map(str, value)) if isinstance(value, dbus.Array) else value}\n")
        if os.path.exists(log + ".refuse"):
            raise dbus.DBusException("no scopes today", name="org.freedesktop.systemd1.Refused")
        group = f"{slice_dir}/{name}"
        os.makedirs(group + "/alos-host")
        pids = dict(properties)["PIDs"]
        for file, text in (("cgroup.controllers", "cpu memory pids"), ("cgroup.subtree_control", ""), ("cgroup.type", "domain"),
                           ("cgroup.procs", "".join(f"{pid}\n" for pid in pids)), ("alos-host/cgroup.procs", "")):
            with open(f"{group}/{file}", "w") as out:
                out.write(text)
        # As the real one: the answer names a job, which is done a moment later.
        def done():
            with open(cgroup_file + ".new", "w") as out:
                out.write(f"0::/app.slice/{name}\n")
            os.replace(cgroup_file + ".new", cgroup_file)  # the kernel shows no half of it either
        GLib.timeout_add(50, done)
        return dbus.ObjectPath("/org/freedesktop/systemd1/job/1")


name = dbus.service.BusName("org.freedesktop.systemd1", dbus.SessionBus())
manager = Manager(dbus.SessionBus(), "/org/freedesktop/systemd1")
print("ready", flush=True)
GLib.MainLoop().run()
