//! The table as Markdown: a summary that fits into a README, and the whole.

use std::fmt::Write;

use crate::report::table::{Cell, MARKS, Table};

/// A line for each player in each engine.
pub fn summary(table: &Table) -> String {
    let has_unrun = table.is_partial;
    let mut text = String::from(
        "| player | engine | of | pass | known | fail | inconclusive | skipped | MUST, legal stream | viewer, legal stream | resilience |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for line in &table.summary {
        let counts = line.counts;
        // What known.toml wrongly says is a failure of the run's, too.
        let fail = counts.fail + counts.unexpected_pass;
        let _infallible = writeln!(
            text,
            "| {} | {} | {}{} | {} | {} | {} | {} | {} | {} | {} | {} |",
            escaped(&line.player),
            escaped(&line.engine),
            line.of,
            if has_unrun && line.not_run > 0 {
                format!(" ({} not run)", line.not_run)
            } else {
                String::new()
            },
            counts.pass,
            counts.known,
            fail,
            counts.inconclusive,
            counts.skipped,
            line.broke_must,
            line.broke_viewer,
            line.broke_resilience,
        );
    }
    text
}

/// Header, summary, and each group of scenarios with a column for each player, in which there is a mark for each engine.
pub fn whole(table: &Table) -> String {
    let header = &table.header;
    let mut text = format!("# Players in every scenario, {}\n\n", escaped(&header.date));
    let mut line = |said: String| {
        let _infallible = writeln!(text, "{said}");
    };
    for player in &header.players {
        line(format!("- {}: {}", escaped(&player.name), escaped(&player.says)));
    }
    for engine in &header.engines {
        line(format!("- {}: {}", escaped(&engine.name), escaped(&engine.says)));
    }
    for engine in &header.absent {
        line(format!("- {} was left out: {}", escaped(&engine.name), escaped(&engine.says)));
    }
    line(format!("- {}", escaped(&header.machine)));
    line(format!(
        "- {} trials at speed {}{}: {} stream seconds verified in {}",
        table.trials,
        escaped(&header.speed),
        if table.kept > 0 {
            format!(", {} of them kept from earlier runs", table.kept)
        } else {
            String::new()
        },
        table.stream_s,
        table.wall,
    ));
    if table.is_partial {
        line("- **Not all of it has been run**: the same command goes on there.".to_owned());
    }
    line(format!("\n{}", summary(table)));
    let engines: Vec<String> = header.engines.iter().map(|engine| escaped(&engine.name)).collect();
    line(format!("A mark for each engine: {}. {}\n", engines.join(", "), marks()));
    for group in &table.groups {
        line(format!("## {}\n", escaped(&group.name)));
        let players: Vec<String> = header.players.iter().map(|player| escaped(&player.name)).collect();
        line(format!("| scenario | {} |\n|---{}|", players.join(" | "), "|---".repeat(players.len())));
        for row in &group.rows {
            let mark = |cells: &[Cell]| cells.iter().map(|cell| cell.mark).collect::<String>();
            let marks: Vec<String> = row.cells.chunks(table.engines().max(1)).map(mark).collect();
            line(format!("| {} | {} |", escaped(&row.scenario), marks.join(" | ")));
        }
        line(String::new());
    }
    text
}

fn marks() -> String {
    MARKS.iter().map(|(_, mark, means)| format!("`{mark}` {means}")).collect::<Vec<_>>().join(", ") + "."
}

/// A text as it is, whatever it holds.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' => {
                escaped.extend(['\\', letter])
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::tests::partial;

    #[test]
    fn the_whole_is_as_it_should_be() {
        insta::assert_snapshot!(whole(&partial()));
    }

    #[test]
    fn nothing_in_a_name_becomes_markup() {
        assert_eq!(escaped("a|b<i>\n`c`"), r"a\|b\<i\> \`c\`");
    }
}
