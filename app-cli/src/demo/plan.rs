//! The project of the demo: a small web site about weather stations, from the folder to the archive.

use tasq_app::{AddEpic, AddFeature, AddTask, AddTest, App, AppError, OwnerRef};
use tasq_domain::{CommandLine, Description, JsonObject, Name, Priority, RetryBudget};

/// The worker's file in the project.
pub(super) const WORKER_FILE: &str = "worker.sh";

/// A task: a word that the worker knows it by, its title, its priority if it has its own, the steps it waits for, and
/// its test cases.
struct Step {
    word: &'static str,
    title: &'static str,
    priority: Option<i64>,
    after: &'static [&'static str],
    tests: &'static [(&'static str, &'static str)],
}

/// A feature: its name, what it is about, its tasks, and a test case of its own.
struct Part {
    name: &'static str,
    about: &'static str,
    steps: &'static [Step],
    check: (&'static str, &'static str),
}

/// In the order of urgency.
const PARTS: [Part; 3] = [
    Part {
        name: "Foundations",
        about: "What everything else stands on",
        steps: FOUNDATIONS,
        check: (
            "the project has all its folders",
            "test -d site && test -d data",
        ),
    },
    Part {
        name: "Pages",
        about: "What visitors see",
        steps: PAGES,
        check: (
            "every page has a title",
            "! grep -L '<title>' site/*.html | grep .",
        ),
    },
    Part {
        name: "Release",
        about: "What is handed out",
        steps: RELEASE,
        check: (
            "the archive can be unpacked",
            "tar -tf site.tar > /dev/null",
        ),
    },
];

const FOUNDATIONS: &[Step] = &[
    Step {
        word: "layout",
        title: "Lay out the project",
        priority: None,
        after: &[],
        tests: &[("the folders are there", "test -d site && test -d data")],
    },
    Step {
        word: "config",
        title: "Write the configuration",
        priority: None,
        after: &["layout"],
        tests: &[
            (
                "it names the site",
                "grep -q '^title=Weather stations$' data/site.conf",
            ),
            (
                "it names the language",
                "grep -q '^lang=en$' data/site.conf",
            ),
        ],
    },
    Step {
        word: "stations",
        title: "Collect the stations",
        priority: None,
        after: &["layout"],
        tests: &[(
            "there are four, each with an altitude",
            "test \"$(grep -c '^[A-Za-z ]*;[0-9][0-9]*$' data/stations.csv)\" = 4",
        )],
    },
];

const PAGES: &[Step] = &[
    Step {
        word: "about",
        title: "Write the about page",
        priority: Some(3),
        after: &["config"],
        tests: &[(
            "it says what this is about",
            "grep -q 'Weather stations' site/about.html",
        )],
    },
    Step {
        word: "style",
        title: "Draw the style sheet",
        priority: None,
        after: &["layout"],
        tests: &[("it styles the table", "grep -q '^table {' site/style.css")],
    },
    Step {
        word: "table",
        title: "List all stations in a table",
        priority: None,
        after: &["stations", "style"],
        tests: &[
            (
                "every station has a row",
                "test \"$(grep -c '<tr>' site/stations.html)\" = \"$(grep -c . data/stations.csv)\"",
            ),
            (
                "the highest one is there",
                "grep -q 'Sonnblick' site/stations.html",
            ),
        ],
    },
    Step {
        word: "index",
        title: "Write the front page",
        priority: Some(0),
        after: &["config", "style"],
        tests: &[(
            "it links to the table",
            "grep -q 'href=\"stations.html\"' site/index.html",
        )],
    },
];

const RELEASE: &[Step] = &[
    Step {
        word: "sitemap",
        title: "Write the site map",
        priority: None,
        after: &["index", "about", "table"],
        tests: &[(
            "it names every page",
            "test \"$(grep -c . site/sitemap.txt)\" = 3",
        )],
    },
    Step {
        word: "checksums",
        title: "Compute the checksums",
        priority: None,
        after: &["sitemap"],
        tests: &[(
            "they are right",
            "cd site && while read -r sum size name; do test \"$(cksum \"$name\")\" = \"$sum $size $name\" || exit 1; done < ../checksums.txt",
        )],
    },
    Step {
        word: "archive",
        title: "Pack the archive",
        priority: None,
        after: &["checksums"],
        tests: &[(
            "it holds the front page",
            "tar -tf site.tar | grep -q 'site/index.html'",
        )],
    },
];

/// The worker: reads the task as JSON, finds the word of its step in the metadata, and writes the files of that step.
/// What it says is kept in the attempt's log.
pub(super) const WORKER: &str = r#"# The worker of `tasq demo`: it gets a task as JSON on standard input and really does it.
set -eu
task=$(cat)
sleep "$1"
step=$(printf '%s' "$task" | sed -n 's/.*"metadata":{"step":"\([a-z]*\)".*/\1/p')
echo "attempt $TASQ_ATTEMPT at step $step of $TASQ_TASK"

page() {
    printf '<!doctype html>\n<html lang="en">\n<head><title>%s</title>' "$1"
    printf '<link rel="stylesheet" href="style.css"></head>\n<body>\n%s\n</body>\n</html>\n' "$2"
}

case $step in
layout) mkdir -p site data ;;
config) printf 'title=Weather stations\nlang=en\n' > data/site.conf ;;
stations) printf 'Sonnblick;3109\nZugspitze;2962\nBrocken;1134\nHelgoland;4\n' > data/stations.csv ;;
about) page "About" "<p>Weather stations and how high they stand.</p>" > site/about.html ;;
style) printf 'body { font-family: sans-serif; }\ntable { border-spacing: 1em 0; }\n' > site/style.css ;;
table)
    # The first attempt skips the first line, as if it were a heading. The test cases see that rows are missing.
    first=1
    if [ "$TASQ_ATTEMPT" = 1 ]; then first=2; fi
    rows=$(tail -n "+$first" data/stations.csv | sed 's|\(.*\);\(.*\)|<tr><td>\1</td><td>\2 m</td></tr>|')
    page "Stations" "<table>
$rows
</table>" > site/stations.html
    ;;
index)
    title=$(sed -n 's/^title=//p' data/site.conf)
    page "$title" "<h1>$title</h1><a href=\"stations.html\">All stations</a>" > site/index.html
    ;;
sitemap) (cd site && ls *.html > sitemap.txt) ;;
checksums) (cd site && cksum *) > checksums.txt ;;
archive) tar -cf site.tar site checksums.txt ;;
*)
    echo "unknown step: $step"
    exit 65
    ;;
esac
"#;

/// Adds the epic, its features and tasks, and their test cases.
pub(super) fn fill(app: &App<'_>) -> Result<(), AppError> {
    let epic = app.add_epic(&AddEpic {
        id: None,
        name: Name::new("A web site about weather stations")?,
        description: None,
        metadata: JsonObject::default(),
    })?;
    // Urgent features come first because of their priority, not because of their place here.
    let mut ids: Vec<(&str, String)> = Vec::new();
    for (
        Part {
            name,
            about,
            steps,
            check,
        },
        priority,
    ) in PARTS.iter().zip(0..)
    {
        let feature = app.add_feature(&AddFeature {
            id: None,
            epic: Some(epic.epic.id.as_str().to_owned()),
            name: Name::new(*name)?,
            description: Some(Description::new(*about)?),
            priority: Priority::new(priority)?,
            metadata: JsonObject::default(),
        })?;
        let feature = feature.feature.id.as_str().to_owned();
        app.add_test(&OwnerRef::Feature(feature.clone()), &test(check)?)?;
        for step in *steps {
            let waits = ids.iter().filter(|(word, _)| step.after.contains(word));
            let task = app.add_task(&AddTask {
                id: None,
                description: Description::new(step.title)?,
                feature: Some(feature.clone()),
                create_feature: false,
                priority: step.priority.map(Priority::new).transpose()?,
                depends_on: waits.map(|(_, id)| id.clone()).collect(),
                tests: step.tests.iter().map(test).collect::<Result<_, _>>()?,
                retry_budget: RetryBudget::new(3)?,
                metadata: JsonObject::new(format!("{{\"step\":\"{}\"}}", step.word))?,
            })?;
            ids.push((step.word, task.record.task.id.as_str().to_owned()));
        }
    }
    Ok(())
}

fn test((what, command): &(&str, &str)) -> Result<AddTest, AppError> {
    Ok(AddTest {
        id: None,
        description: Description::new(*what)?,
        command: Some(CommandLine::new(*command)?),
        required: false,
        metadata: JsonObject::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_waits_only_for_earlier_ones_and_the_worker_knows_it() {
        let mut known = Vec::new();
        for part in PARTS {
            for step in part.steps {
                assert!(
                    step.after.iter().all(|word| known.contains(word)),
                    "{}",
                    step.word
                );
                assert!(
                    WORKER.contains(&format!("\n{})", step.word)),
                    "{}",
                    step.word
                );
                known.push(step.word);
            }
        }
        assert_eq!(known.len(), 10);
    }
}
