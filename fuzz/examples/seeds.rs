//! Writes the inputs that the fuzz targets begin with: `corpus/TARGET/NUMBER`.

#[path = "../entries.rs"]
mod entries;
#[path = "../seeds.rs"]
mod seeds;

fn main() -> std::io::Result<()> {
    for (name, _) in entries::ENTRIES {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        std::fs::create_dir_all(&folder)?;
        for (no, bytes) in seeds::of(name).into_iter().enumerate() {
            entries::enter(name, &bytes);
            std::fs::write(folder.join(no.to_string()), bytes)?;
        }
    }
    Ok(())
}
