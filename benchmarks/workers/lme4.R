# Fits one problem by REML each time a line comes in: Rscript lme4.R FRAME.csv FORMULA GROUPING,GROUPING
suppressMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
frame <- read.csv(arguments[1], stringsAsFactors = TRUE)
for (name in strsplit(arguments[3], ",")[[1]]) frame[[name]] <- factor(frame[[name]])
formula <- as.formula(arguments[2])
lines <- file("stdin", "r")
while (length(readLines(lines, n = 1)) > 0) {
  invisible(gc())
  begun <- Sys.time()
  fit <- lmer(formula, frame)
  seconds <- as.numeric(Sys.time() - begun, units = "secs")
  cat(sprintf('{"seconds": %.9f, "criterion": %.9f}\n', seconds, REMLcrit(fit)))
  flush(stdout())
}
