# shellcheck shell=bash
# The update: boot.vfat and root.img of this build, signed, for `bramble update --bundle`.

make_bundle() {
    local folder=$work/bundle bundle=$output/$name.raucb keys=$output/keys
    rm -f "$bundle"
    mkdir -p "$folder"
    ln "$work/boot.vfat" "$work/root.img" "$folder/"
    cat >"$folder/manifest.raucm" <<END
[update]
compatible=bramble-arm64
version=$version

[bundle]
format=verity

[image.rootfs]
filename=root.img

[image.boot]
filename=boot.vfat
END
    rauc bundle --cert="${cert:-$keys/update.pem}" --key="${key:-$keys/update.key}" \
        --keyring="${cert:-$keys/update.pem}" "$folder" "$bundle"
}
