# shellcheck shell=bash
# What the programs that boot virtual machines share: the kernel. Sourced.
#
# The caller sets KERNEL, a folder that is kept, and WORK, one that is not.
# shellcheck disable=SC2034  # used by those who source this

BLOCK_MODULES=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk)

# The kernel of the distribution for virtual machines, unpacked only.
fetch_kernel() {
    local package
    package=$(apt-cache depends --important linux-image-cloud-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    [ -e "$KERNEL/$package" ] && return 0
    rm -rf "$KERNEL"
    mkdir -p "$KERNEL"
    (cd "$WORK" && apt-get -q download "$package") &&
        dpkg-deb --fsys-tarfile "$WORK"/linux-image-*.deb | tar -x -C "$KERNEL" ./boot ./lib/modules &&
        touch "$KERNEL/$package"
}

# copy_block_modules FOLDER: what a kernel needs to see its disk.
copy_block_modules() {
    local module
    for module in "${BLOCK_MODULES[@]}"; do
        find "$KERNEL/lib/modules" -name "$module.ko" -exec cp {} "$1" \;
        [ -e "$1/$module.ko" ] || return 1
    done
}
